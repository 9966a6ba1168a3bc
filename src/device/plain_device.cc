// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/device/plain_device.h"

#include <cstddef>

namespace keel {

Result<void> PlainDevice::assign(const Assignment& assignment) {
  if (assignment.lines.size() != parts_.lines.size()) {
    return fail(ErrorCode::kInvalidArgument, "it has sockets for {} interrupt lines and was given {}",
                parts_.lines.size(), assignment.lines.size());
  }
  for (std::size_t i = 0; i < parts_.lines.size(); ++i) {
    const Result<void> plugged = parts_.lines[i]->plug(*assignment.lines[i]);
    if (plugged) continue;
    while (i > 0) parts_.lines[--i]->unplug();
    return plugged;
  }
  return {};
}

void PlainDevice::released() noexcept {
  for (LineSocket* line : parts_.lines) line->unplug();
}

}  // namespace keel
