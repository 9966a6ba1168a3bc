// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/vmm/machine.h"

#include <string>

#include <gtest/gtest.h>

#include "support/run_program.h"
#include "unit/arch/x86_64/kernel_files.h"
#include "keel/base/clock.h"
#include "keel/kvm/system.h"

namespace keel {
namespace {

struct Silence final : SerialOutput {
  void write(std::span<const std::uint8_t>) override {}
};

GuestImage image() {
  const auto bytes = x86_64::testing::make_bzimage().bytes;
  const testing::TemporaryFile kernel(std::string(bytes.begin(), bytes.end()));
  return GuestImage::load({.kernel = kernel.path(), .initrd = std::nullopt, .memory_size = 64u << 20}).value();
}

// What `keel inspect` says without a hypervisor is so on one.
TEST(Machine, IsLaidOutAsItsMapSays) {
  const auto system = kvm::System::open();
  ASSERT_TRUE(system) << system.error().message();
  const SystemClock clock;
  Silence console;
  const auto machine = Machine::create(*system, image(), console, clock);
  ASSERT_TRUE(machine) << machine.error().message();
  EXPECT_EQ((*machine)->map(), map_machine(image()).value());
}

}  // namespace
}  // namespace keel
