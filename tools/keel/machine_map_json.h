// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <string>

#include "keel/bus/ledger.h"
#include "keel/vmm/machine_map.h"

namespace keel::tool {

// For programs. Addresses are numbers: those of a PC, of 52 bits, are exact in every JSON reader. With `ledger`, where
// there is one.
[[nodiscard]] std::string to_json(const MachineMap& map, const IoLedger* ledger = nullptr);

}  // namespace keel::tool
