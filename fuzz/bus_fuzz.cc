// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// The buses against the plain model: any bytes are a script of registrations, transactions and accesses.

#include <cstdio>
#include <cstdlib>

#include "fake/bus_script.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (const auto difference = keel::fake::BusScript::play({data, size})) {
    std::fprintf(stderr, "%s\n", difference->c_str());
    std::abort();
  }
  return 0;
}
