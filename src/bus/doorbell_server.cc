// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/bus/doorbell_server.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

#include "keel/base/check.h"
#include "keel/base/little_endian.h"
#include "keel/base/mutex.h"
#include "keel/base/try.h"

namespace keel {

namespace {

Dispatch write(const IoManager& io, const DevicePio* device, PioAddress address,
               std::span<const std::uint8_t> bytes) noexcept {
  return io.pio_write_to(device, address, bytes);
}
Dispatch write(const IoManager& io, const DeviceMmio* device, MmioAddress address,
               std::span<const std::uint8_t> bytes) noexcept {
  return io.mmio_write_to(device, address, bytes);
}

}  // namespace

namespace detail {

// One event and the places where its doorbell is: one, and while the device moves, two.
template <typename A>
class Bell {
 public:
  static constexpr std::size_t kMaxPlaces = 4;

  Bell(DoorbellHost& host, const IoManager& io, EventFd event, const DoorbellOn<A>& doorbell,
       const std::shared_ptr<DeviceOn<A>>& device) noexcept
      : host_(host), io_(io), device_(device.get()), alive_(device), event_(std::move(event)), size_(doorbell.size) {
    store_le(std::span(bytes_).first(size_), doorbell.value);
  }

  Result<void> watch(EventLoop& loop, const std::shared_ptr<Bell>& self) {
    KEEL_TRY(watch_, loop.watch(event_.fd(), Readiness::kReadable, [weak = std::weak_ptr(self)] {
      if (const auto bell = weak.lock()) bell->ring();
    }));
    return {};
  }

  Result<std::unique_ptr<DoorbellBinding>> bind(const DoorbellOn<A>& doorbell) {
    {
      const Lock lock(mutex_);
      if (count_ == kMaxPlaces) return fail(ErrorCode::kExhausted, "{} is at {} places already", doorbell, count_);
    }
    KEEL_TRY(std::unique_ptr<DoorbellBinding> binding, host_.bind(doorbell, event_));
    const Lock lock(mutex_);
    places_[count_++] = doorbell.address;
    return binding;
  }

  // What was rung before may have been dispatched to the old place after the device had left it: once more, to be sure.
  void leave(A address) noexcept {
    {
      const Lock lock(mutex_);
      const auto end = places_.begin() + static_cast<std::ptrdiff_t>(count_);
      const auto at = std::find(places_.begin(), end, address);
      if (at == end) return;
      std::move(at + 1, end, at);
      if (--count_ == 0) return;
    }
    check(event_.signal().has_value(), "a doorbell's own eventfd takes a signal");
  }

 private:
  // To where its device is: the newest place first, which may not be on the bus yet. Not as an owner: a device that is
  // removed meanwhile is gone when its removal is done. The bus keeps it while it is inside the write.
  void ring() noexcept {
    if (event_.drain().value_or(0) == 0 || alive_.expired()) return;
    std::array<A, kMaxPlaces> places;
    std::size_t count = 0;
    {
      const Lock lock(mutex_);
      places = places_;
      count = count_;
    }
    while (count > 0 && write(io_, device_, places[--count], std::span(bytes_).first(size_)) == Dispatch::kUnclaimed) {
    }
  }

  DoorbellHost& host_;
  const IoManager& io_;
  const DeviceOn<A>* const device_;  // to be told from others
  const std::weak_ptr<DeviceOn<A>> alive_;
  const EventFd event_;
  std::array<std::uint8_t, 8> bytes_ = {};
  const std::size_t size_;
  Mutex mutex_;                                                    // a leaf
  std::array<A, kMaxPlaces> places_ KEEL_GUARDED_BY(mutex_) = {};  // oldest first
  std::size_t count_ KEEL_GUARDED_BY(mutex_) = 0;
  Watch watch_;
};

}  // namespace detail

template <typename A>
ServedDoorbell<A>& ServedDoorbell<A>::operator=(ServedDoorbell&& other) noexcept {
  if (this == &other) return *this;
  reset();
  bell_ = std::move(other.bell_);
  doorbell_ = other.doorbell_;
  binding_ = std::move(other.binding_);
  return *this;
}

template <typename A>
void ServedDoorbell<A>::reset() noexcept {
  if (!bell_) return;
  binding_.reset();
  std::exchange(bell_, nullptr)->leave(doorbell_.address);
}

template <typename A>
Result<ServedDoorbell<A>> ServedDoorbell<A>::also_at(A address) const {
  DoorbellOn<A> moved = doorbell_;
  moved.address = address;
  KEEL_TRY(std::unique_ptr<DoorbellBinding> binding, bell_->bind(moved));
  return ServedDoorbell(bell_, moved, std::move(binding));
}

template <typename A>
Result<ServedDoorbell<A>> DoorbellServer::serve_on(EventLoop& loop, const DoorbellOn<A>& doorbell,
                                                   const std::shared_ptr<DeviceOn<A>>& device) const {
  KEEL_TRY_VOID(check_doorbell(doorbell));
  KEEL_TRY(EventFd event, EventFd::create());
  const auto bell = std::make_shared<detail::Bell<A>>(host_, io_, std::move(event), doorbell, device);
  KEEL_TRY_VOID(bell->watch(loop, bell));
  KEEL_TRY(std::unique_ptr<DoorbellBinding> binding, bell->bind(doorbell));
  return ServedDoorbell<A>(bell, doorbell, std::move(binding));
}

Result<ServedDoorbell<PioAddress>> DoorbellServer::serve(const PioDoorbell& doorbell,
                                                         const std::shared_ptr<DevicePio>& device,
                                                         EventLoop* loop) const {
  return serve_on(loop != nullptr ? *loop : loop_, doorbell, device);
}
Result<ServedDoorbell<MmioAddress>> DoorbellServer::serve(const MmioDoorbell& doorbell,
                                                          const std::shared_ptr<DeviceMmio>& device,
                                                          EventLoop* loop) const {
  return serve_on(loop != nullptr ? *loop : loop_, doorbell, device);
}

template class ServedDoorbell<PioAddress>;
template class ServedDoorbell<MmioAddress>;

}  // namespace keel
