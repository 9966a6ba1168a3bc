// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/kvm/vcpu.h"

#include <variant>

#include <gtest/gtest.h>

#include "kvm/tiny_guest.h"

// What needs a KVM on a processor with virtualisation, real or nested: KVMs that emulate the guest's processor in
// software do not play processor mode changes and fault escalation.
namespace keel::kvm {
namespace {

using testing::Irqchip;
using testing::TinyGuest;

TEST(Processor, TripleFaultIsAShutdown) {
  TinyGuest guest(Irqchip::kNone, {0x0f, 0x01, 0x1e, 0x00, 0x20,  // lidt [0x2000]: limit 0, so no vector exists
                                   0x0f, 0x20, 0xc0,              // mov eax, cr0
                                   0x0c, 0x01,                    // or al, 1
                                   0x0f, 0x22, 0xc0,              // mov cr0, eax: protected mode
                                   0xcc});                        // int3
  EXPECT_TRUE(std::holds_alternative<ShutdownExit>(guest.run()));
}

}  // namespace
}  // namespace keel::kvm
