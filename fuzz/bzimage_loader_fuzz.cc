// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// A bzImage from anywhere: a kernel in RAM or an error, and nothing else. Also the way of every file that is no kernel.

#include "fuzz/kernel_loader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace keel::x86_64;
  testing::fuzz_loader({data, size}, testing::make_bzimage(), load_kernel);
  return 0;
}
