// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <chrono>
#include <cstdio>

#include "keel/vmm/machine.h"

namespace keel::tool {

// What a finished run cost: start-up time, exits by kind and by port, accesses by range and vCPU, memory beyond the
// guest's own.
void print_stats(std::FILE* out, const Machine& machine, std::chrono::nanoseconds process_started_at);

}  // namespace keel::tool
