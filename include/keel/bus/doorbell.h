// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <variant>
#include <vector>

#include <fmt/format.h>

#include "keel/base/error.h"
#include "keel/base/event_fd.h"
#include "keel/base/event_loop.h"
#include "keel/base/range.h"
#include "keel/bus/bus.h"

namespace keel {

// Which writes ring a doorbell.
enum class DoorbellMatch : std::uint8_t {
  kExactWrite,  // of that size and that value
  kAnyValue,    // of that size
  kAnyWrite,    // all that start at the address
};
[[nodiscard]] std::string_view to_string(DoorbellMatch match) noexcept;

// A write by which the guest says no more than "look": virtio's queue notifications. The hypervisor may tell a thread
// of the host instead of stopping the vCPU. Its device gets the write all the same, by its usual method, with these
// bytes: where any value matches, the guest's own is not known. Several rings may arrive as one, and one too many may
// come.
template <typename A>
struct DoorbellOn {
  A address;
  std::uint64_t value = 0;
  std::uint8_t size = 4;  // bytes: 1, 2, 4 or 8
  DoorbellMatch match = DoorbellMatch::kExactWrite;
  friend bool operator==(const DoorbellOn&, const DoorbellOn&) = default;
};
using PioDoorbell = DoorbellOn<PioAddress>;
using MmioDoorbell = DoorbellOn<MmioAddress>;
using AnyDoorbell = std::variant<PioDoorbell, MmioDoorbell>;

// Error kInvalidArgument for a size that no access has, a value that does not fit into it, and an address at which it
// would pass the top.
template <typename A>
[[nodiscard]] Result<void> check_doorbell(const DoorbellOn<A>& doorbell);

// What a device may offer besides its bus faces: the doorbells within a range of its own, by their places in it now.
// Called when the range is attached or moved, possibly while the device is inside its own handler and under its own
// lock: it may rely on what never changes alone. Locked<Device> passes it on. So a virtio-mmio device has a doorbell
// per queue (virtio 1.2, 4.2.2: QueueNotify):
//   std::vector<MmioDoorbell> mmio_doorbells(MmioRange range) const override {
//     std::vector<MmioDoorbell> doorbells;
//     for (std::uint32_t queue = 0; queue < kQueues; ++queue)
//       doorbells.push_back({.address = *range.first().checked_add(0x50), .value = queue, .size = 4});
//     return doorbells;
//   }
class DoorbellSource {
 public:
  virtual ~DoorbellSource() = default;
  [[nodiscard]] virtual std::vector<PioDoorbell> pio_doorbells(PioRange /*range*/) const { return {}; }
  [[nodiscard]] virtual std::vector<MmioDoorbell> mmio_doorbells(MmioRange /*range*/) const { return {}; }
  // The loop on which they are best served, lest a ring go from one thread to another; outlives the attachment. Null
  // where any does. Called when they are, and under the same rules.
  [[nodiscard]] virtual EventLoop* doorbell_loop() const { return nullptr; }
};

// Takes the doorbell away when destroyed: from then on a write exits to the bus.
class DoorbellBinding {
 public:
  virtual ~DoorbellBinding() = default;
};

// The hypervisor's way to signal an event instead of an exit (KVM: ioeventfd). From any thread.
class DoorbellHost {
 public:
  virtual ~DoorbellHost() = default;
  // `event` outlives the binding and may have several. Errors: those of check_doorbell(), kAlreadyExists where another
  // doorbell takes the same writes.
  [[nodiscard]] virtual Result<std::unique_ptr<DoorbellBinding>> bind(const PioDoorbell& doorbell,
                                                                      const EventFd& event) = 0;
  [[nodiscard]] virtual Result<std::unique_ptr<DoorbellBinding>> bind(const MmioDoorbell& doorbell,
                                                                      const EventFd& event) = 0;
};

}  // namespace keel

// "mmio doorbell at 0xd0000050 (4 bytes, value 0x1)"
template <typename A>
struct fmt::formatter<keel::DoorbellOn<A>> {
  constexpr auto parse(format_parse_context& context) { return context.begin(); }
  auto format(const keel::DoorbellOn<A>& doorbell, format_context& context) const {
    auto out = fmt::format_to(context.out(), "{} doorbell at {} ({} bytes, ", keel::BusTraits<A>::kName,
                              doorbell.address, doorbell.size);
    if (doorbell.match == keel::DoorbellMatch::kExactWrite) return fmt::format_to(out, "value {:#x})", doorbell.value);
    return fmt::format_to(out, "{})", to_string(doorbell.match));
  }
};
