// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <nlohmann/json_fwd.hpp>

#include "keel/bus/ledger.h"

namespace keel::tool {

// For programs: all of it. Times are in nanoseconds.
[[nodiscard]] nlohmann::ordered_json json_of(const IoLedger& ledger);

}  // namespace keel::tool
