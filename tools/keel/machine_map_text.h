// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <string>

#include "keel/vmm/machine_map.h"

namespace keel::tool {

// For people, in lines of at most 80 columns as long as names are not longer than that.
[[nodiscard]] std::string to_text(const MachineMap& map);

}  // namespace keel::tool
