// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/kvm/interrupts.h"

#include <gtest/gtest.h>

#include "kvm/kvm_worlds.h"
#include "support/pin_conformance.h"

namespace keel::testing {
namespace {

// KVMs that emulate the guest's processor in software have been seen to deliver a level once more that KVM_IRQ_LINE
// lowered while the guest was in its handler.
INSTANTIATE_TYPED_TEST_SUITE_P(KvmIoctl, PinConformance, IoctlWorld);

}  // namespace
}  // namespace keel::testing
