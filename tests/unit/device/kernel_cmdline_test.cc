// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/device/kernel_cmdline.h"

#include <gtest/gtest.h>

namespace keel {
namespace {

std::string message(const Result<void>& result) {
  return result ? "none" : result.error().message();
}

TEST(KernelCmdlineTest, PutsBlanksBetween) {
  KernelCmdline cmdline(100);
  EXPECT_TRUE(cmdline.append("console=ttyS0 quiet").has_value());
  EXPECT_TRUE(cmdline.append("").has_value());
  EXPECT_TRUE(cmdline.insert("root", "/dev/vda=1").has_value());
  EXPECT_EQ(cmdline.text(), "console=ttyS0 quiet root=/dev/vda=1");
}

TEST(KernelCmdlineTest, EachMistakeHasItsMessage) {
  KernelCmdline cmdline(100);
  EXPECT_EQ(message(cmdline.insert("root=a", "b")),
            "the key \"root=a\" has a '=', so the kernel would take \"root\" for the key");
  EXPECT_EQ(message(cmdline.insert("", "b")), "the key is empty");
  EXPECT_EQ(message(cmdline.insert("a b", "c")), "the key \"a b\" has a blank");
  EXPECT_EQ(message(cmdline.insert("a", "")), "the value of \"a\" is empty");
  EXPECT_EQ(message(cmdline.insert("a", "b c")), "the value of \"a\" \"b c\" has a blank");
  EXPECT_EQ(message(cmdline.insert("a\n", "b")), "the key has the byte 0x0a; a kernel command line is printable ASCII");
  EXPECT_EQ(message(cmdline.insert("a", std::string_view("b\0", 2))),
            "the value of \"a\" has the byte 0x00; a kernel command line is printable ASCII");
  EXPECT_EQ(message(cmdline.append("\xc3\xa4")),
            "the text has the byte 0xc3; a kernel command line is printable ASCII");
  EXPECT_EQ(cmdline.text(), "");
}

TEST(KernelCmdlineTest, IsFullAtItsCapacity) {
  KernelCmdline cmdline(7);
  EXPECT_TRUE(cmdline.insert("a", "1").has_value());
  EXPECT_EQ(message(cmdline.insert("b", "23")),
            "\"b=23\" does not fit: 3 of 7 bytes of the kernel command line are taken");
  EXPECT_TRUE(cmdline.insert("b", "2").has_value());
  EXPECT_EQ(cmdline.text(), "a=1 b=2");
  EXPECT_EQ(message(cmdline.append("c")), "\"c\" does not fit: 7 of 7 bytes of the kernel command line are taken");
  EXPECT_EQ(message(cmdline.append(std::string(5000, 'x'))),
            "\"" + std::string(60, 'x') + "…\" does not fit: 7 of 7 bytes of the kernel command line are taken");
}

}  // namespace
}  // namespace keel
