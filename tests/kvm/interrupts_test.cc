// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/kvm/interrupts.h"

#include <gtest/gtest.h>

#include "kvm/kvm_worlds.h"
#include "support/interrupt_bypass_conformance.h"
#include "support/message_conformance.h"

namespace keel::testing {
namespace {

INSTANTIATE_TYPED_TEST_SUITE_P(KvmIrqfd, MessageConformance, IrqfdWorld);
INSTANTIATE_TYPED_TEST_SUITE_P(KvmIrqfd, PinConformance, IrqfdWorld);
INSTANTIATE_TYPED_TEST_SUITE_P(KvmIrqfd, InterruptBypass, IrqfdWorld);
INSTANTIATE_TYPED_TEST_SUITE_P(KvmIoctl, MessageConformance, IoctlWorld);

}  // namespace
}  // namespace keel::testing
