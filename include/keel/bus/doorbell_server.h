// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <memory>
#include <utility>

#include "keel/base/error.h"
#include "keel/base/event_loop.h"
#include "keel/bus/doorbell.h"
#include "keel/bus/io_manager.h"

namespace keel {

namespace detail {
template <typename A>
class Bell;
}  // namespace detail

// A doorbell that is served, at one place. Dropping it is the undo: from then on writes there exit to the bus. A ring
// that the loop has not served by then is lost; the device manager drops it when its device has left the bus. Neither
// waits. Move-only.
template <typename A>
class ServedDoorbell {
 public:
  ServedDoorbell() noexcept = default;
  ServedDoorbell(ServedDoorbell&&) noexcept = default;
  ServedDoorbell& operator=(ServedDoorbell&& other) noexcept;
  ~ServedDoorbell() { reset(); }
  void reset() noexcept;

  [[nodiscard]] explicit operator bool() const noexcept { return bell_ != nullptr; }
  // Below: precondition true.
  [[nodiscard]] const DoorbellOn<A>& doorbell() const noexcept { return doorbell_; }

  // The same doorbell at one more place, while its device moves: make this before the bus is changed, drop the old one
  // after. No ring is lost on the way. Errors: those of DoorbellHost::bind.
  [[nodiscard]] Result<ServedDoorbell> also_at(A address) const;

 private:
  friend class DoorbellServer;
  ServedDoorbell(std::shared_ptr<detail::Bell<A>> bell, DoorbellOn<A> doorbell,
                 std::unique_ptr<DoorbellBinding> binding) noexcept
      : bell_(std::move(bell)), doorbell_(doorbell), binding_(std::move(binding)) {}

  std::shared_ptr<detail::Bell<A>> bell_;
  DoorbellOn<A> doorbell_;
  std::unique_ptr<DoorbellBinding> binding_;
};

// Lets an event loop serve doorbells instead of vCPUs: a ring becomes the write that it was, through the bus, and so
// ends in the same method of the same device, with the same base, offset and bytes, as an exit would.
//
// Everything handed in outlives the server and its doorbells. From any thread, and from inside I/O handlers.
class DoorbellServer {
 public:
  DoorbellServer(DoorbellHost& host, EventLoop& loop, const IoManager& io) noexcept
      : host_(host), loop_(loop), io_(io) {}

  // On `loop`, which outlives the doorbell, or where that is null on the server's. Errors: those of DoorbellHost::bind
  // and EventLoop::watch.
  [[nodiscard]] Result<ServedDoorbell<PioAddress>> serve(const PioDoorbell& doorbell,
                                                         const std::shared_ptr<DevicePio>& device,
                                                         EventLoop* loop = nullptr) const;
  [[nodiscard]] Result<ServedDoorbell<MmioAddress>> serve(const MmioDoorbell& doorbell,
                                                          const std::shared_ptr<DeviceMmio>& device,
                                                          EventLoop* loop = nullptr) const;

 private:
  template <typename A>
  Result<ServedDoorbell<A>> serve_on(EventLoop& loop, const DoorbellOn<A>& doorbell,
                                     const std::shared_ptr<DeviceOn<A>>& device) const;

  DoorbellHost& host_;
  EventLoop& loop_;
  const IoManager& io_;
};

}  // namespace keel
