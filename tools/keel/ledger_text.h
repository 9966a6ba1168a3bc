// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <string>

#include "keel/bus/ledger.h"

namespace keel::tool {

// For people: who was accessed where, how often, how long and by whom; then what nobody claimed. Without the ranges
// that nobody accessed, and of a range's threads the busiest. In lines of at most 80 columns as long as names are not
// longer than that and counts have less than ten digits.
[[nodiscard]] std::string to_text(const IoLedger& ledger);

}  // namespace keel::tool
