// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// Addresses of two buses have no order and are never equal or unequal.

#include "keel/base/range.h"

bool before(keel::PioAddress port, keel::MmioAddress memory) {
#ifdef KEEL_MUST_NOT_COMPILE
  return port < memory;
#else
  return port < keel::PioAddress(0x60) && memory < keel::MmioAddress(0x60);
#endif
}
