// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// Runs inside the guest: writes ten thousand bytes to ports that no device claims, one access each, and reads some
// back. Exit status 0 where they are all ones.
#include <sys/io.h>

int main() {
  constexpr unsigned short kNobodys = 0x3000;
  if (ioperm(kNobodys, 8, 1) != 0) return 2;
  for (int i = 0; i < 10'000; ++i) outb(0x5a, static_cast<unsigned short>(kNobodys + i % 8));
  return inb(kNobodys) == 0xff && inw(kNobodys) == 0xffff && inl(kNobodys) == 0xffff'ffff ? 0 : 1;
}
