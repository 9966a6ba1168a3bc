// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdio>

#include "keel/bus/ledger.h"

namespace keel::tool {

// The ledger as a table that fits a terminal: who was accessed where, how often and how long; then what nobody claimed.
void print_ledger(std::FILE* out, const IoLedger& ledger);

}  // namespace keel::tool
