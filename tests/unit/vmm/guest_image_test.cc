// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/vmm/guest_image.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/run_program.h"
#include "support/tiny_kernel.h"

namespace keel {
namespace {

using ::testing::HasSubstr;
using testing::TemporaryFile;

constexpr std::uint64_t kMemory = 64 << 20;

std::string refusal(const MachineConfig& config) {
  const auto image = GuestImage::load(config);
  return image ? "it was accepted" : image.error().message();
}

TEST(GuestImage, HasItsKernelInPlace) {
  const TemporaryFile kernel(testing::tiny_kernel({0xf4}));
  const auto image = GuestImage::load({.kernel = kernel.path(), .initrd = {}, .memory_size = kMemory});
  ASSERT_TRUE(image.has_value()) << image.error().message();
  EXPECT_EQ(image->memory.total_size(), kMemory);
  std::uint8_t code[1];
  ASSERT_TRUE(image->memory.read(GuestAddress(0x100'0000), code).has_value());
  EXPECT_EQ(code[0], 0xf4);
}

TEST(GuestImage, SaysWhatIsWrongWithAFile) {
  EXPECT_THAT(refusal({.kernel = "/nonexistent/vmlinuz", .initrd = {}}), HasSubstr("/nonexistent/vmlinuz"));
  const TemporaryFile kernel(testing::tiny_kernel({0xf4}));
  EXPECT_THAT(refusal({.kernel = kernel.path(), .initrd = "/nonexistent/initrd"}), HasSubstr("/nonexistent/initrd"));
}

TEST(GuestImage, SaysWhatDoesNotFit) {
  const TemporaryFile kernel(testing::tiny_kernel({0xf4}));
  const TemporaryFile initrd(std::string(kMemory, 'i'));
  EXPECT_THAT(refusal({.kernel = kernel.path(), .initrd = initrd.path(), .memory_size = kMemory}),
              HasSubstr(initrd.path()));
  EXPECT_THAT(refusal({.kernel = kernel.path(), .initrd = {}, .cmdline = std::string(1 << 16, 'x')}),
              HasSubstr("x…\" does not fit: 36 of 2047 bytes of the kernel command line are taken"));
  EXPECT_THAT(refusal({.kernel = kernel.path(), .initrd = {}, .cmdline = "a\tb"}), HasSubstr("printable ASCII"));
  EXPECT_THAT(refusal({.kernel = kernel.path(), .initrd = {}, .cpus = 65}),
              HasSubstr("65 vCPUs asked for; a machine has 1 to 64"));
  EXPECT_THAT(refusal({.kernel = kernel.path(), .initrd = {}, .device_threads = 0}), HasSubstr("0 device threads"));
  EXPECT_THAT(refusal({.kernel = kernel.path(), .initrd = {}, .device_threads = 65}), HasSubstr("1 to 64"));
}

}  // namespace
}  // namespace keel
