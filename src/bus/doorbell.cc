// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/bus/doorbell.h"

#include <bit>

#include "keel/base/try.h"

namespace keel {

std::string_view to_string(DoorbellMatch match) noexcept {
  switch (match) {
    case DoorbellMatch::kExactWrite: return "exact write";
    case DoorbellMatch::kAnyValue: return "any value";
    case DoorbellMatch::kAnyWrite: return "any write";
  }
  return "unknown";
}

template <typename A>
Result<void> check_doorbell(const DoorbellOn<A>& doorbell) {
  if (doorbell.size > 8 || !std::has_single_bit(doorbell.size))
    return fail(ErrorCode::kInvalidArgument, "{}: an access has 1, 2, 4 or 8 bytes", doorbell);
  if (doorbell.size < 8 && doorbell.value >> (8 * doorbell.size) != 0)
    return fail(ErrorCode::kInvalidArgument, "{}: value {:#x} does not fit", doorbell, doorbell.value);
  KEEL_TRY_VOID(Range<A>::from_size(doorbell.address, doorbell.size));
  return {};
}
template Result<void> check_doorbell(const PioDoorbell&);
template Result<void> check_doorbell(const MmioDoorbell&);

}  // namespace keel
