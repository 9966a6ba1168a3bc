// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "keel/base/error.h"
#include "keel/devices/net_backend.h"

namespace keel {

struct TapOptions {
  std::string name;               // of an interface that is there
  std::uint16_t queue_pairs = 1;  // at most; a tap that was made without multi_queue has one
};

// The host's end of a tap interface (Documentation/networking/tuntap.rst): what the guest sends comes in there, with
// checksum and segmentation offloads both ways. Somebody else makes the interface, gives it to this user, and connects
// it; it is not made here, and not taken up or down. An interface that goes away takes the guest's link down.
//
// Every error says what to type: kInvalidArgument (a name that can be none, an interface that is no
// tap), kNotFound, kPermissionDenied, kAlreadyExists (somebody has it; of a tap with several queues, where the host
// says how many are in use: Linux 4.17), kUnsupported (this host has no taps), kIo.
[[nodiscard]] Result<std::unique_ptr<NetBackend>> open_tap(const TapOptions& options);

// How many queue pairs open_tap() would have, found out without opening: whoever has the tap keeps it, and nobody need
// be allowed to. Nothing where there is no such tap, or the host does not say.
[[nodiscard]] std::optional<std::uint16_t> tap_queue_pairs(const TapOptions& options);

}  // namespace keel
