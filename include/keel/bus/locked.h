// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <algorithm>
#include <atomic>
#include <concepts>
#include <cstdint>
#include <mutex>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "keel/base/check.h"
#include "keel/base/mutex.h"
#include "keel/bus/device_io.h"
#include "keel/bus/doorbell.h"
#include "keel/bus/handler_scope.h"

namespace keel {

namespace detail {

template <int>
struct NoBus {};

// The bus faces of Locked: `Self` offers try_enter(f), which calls f(device) under the lock or returns false.
template <typename Self>
class LockedPio : public DevicePio {
 public:
  void pio_read(PioAddress base, std::uint16_t offset, std::span<std::uint8_t> data) final {
    const bool entered = self().try_enter([&](auto& device) { device.pio_read(base, offset, data); });
    if (!entered) std::ranges::fill(data, std::uint8_t{0xff});
  }
  void pio_write(PioAddress base, std::uint16_t offset, std::span<const std::uint8_t> data) final {
    self().try_enter([&](auto& device) { device.pio_write(base, offset, data); });
  }

 private:
  Self& self() noexcept { return static_cast<Self&>(*this); }
};

template <typename Self>
class LockedMmio : public DeviceMmio {
 public:
  void mmio_read(MmioAddress base, std::uint64_t offset, std::span<std::uint8_t> data) final {
    const bool entered = self().try_enter([&](auto& device) { device.mmio_read(base, offset, data); });
    if (!entered) std::ranges::fill(data, std::uint8_t{0xff});
  }
  void mmio_write(MmioAddress base, std::uint64_t offset, std::span<const std::uint8_t> data) final {
    self().try_enter([&](auto& device) { device.mmio_write(base, offset, data); });
  }

 private:
  Self& self() noexcept { return static_cast<Self&>(*this); }
};

// Outside the lock: see DoorbellSource.
template <typename Self>
class LockedDoorbells : public DoorbellSource {
 public:
  [[nodiscard]] std::vector<PioDoorbell> pio_doorbells(PioRange range) const final {
    return self().source().pio_doorbells(range);
  }
  [[nodiscard]] std::vector<MmioDoorbell> mmio_doorbells(MmioRange range) const final {
    return self().source().mmio_doorbells(range);
  }
  [[nodiscard]] EventLoop* doorbell_loop() const final { return self().source().doorbell_loop(); }

 private:
  const Self& self() const noexcept { return static_cast<const Self&>(*this); }
};

template <typename Device, typename Self>
using LockedPioFace = std::conditional_t<std::derived_from<Device, MutDevicePio>, LockedPio<Self>, NoBus<0>>;
template <typename Device, typename Self>
using LockedMmioFace = std::conditional_t<std::derived_from<Device, MutDeviceMmio>, LockedMmio<Self>, NoBus<1>>;
template <typename Device, typename Self>
using LockedDoorbellFace =
    std::conditional_t<std::derived_from<Device, DoorbellSource>, LockedDoorbells<Self>, NoBus<2>>;

}  // namespace detail

// Makes a device that one thread at a time may enter callable from several: Locked<Device> is a DevicePio where Device
// is a MutDevicePio, a DeviceMmio where it is a MutDeviceMmio, both where it is both, under one lock. It is a
// DoorbellSource where Device is.
//
// Locked<Device> owns the device and forwards its constructor's arguments; Locked<Device&> wraps one that lives
// elsewhere, and longer. Mutex is anything with lock() and unlock(): std::mutex, a spin lock, NullMutex.
//
// A device that reaches itself through the bus from inside its own handler (a guest points its DMA at its registers)
// would wait for itself: the inner access reads all ones, writes nowhere and is counted. Two Locked devices that access
// each other from their handlers would take two locks in two orders: do not build that.
template <typename Device, typename Mutex = keel::Mutex>
class Locked final : public detail::LockedPioFace<std::remove_reference_t<Device>, Locked<Device, Mutex>>,
                     public detail::LockedMmioFace<std::remove_reference_t<Device>, Locked<Device, Mutex>>,
                     public detail::LockedDoorbellFace<std::remove_reference_t<Device>, Locked<Device, Mutex>> {
  using Bare = std::remove_reference_t<Device>;
  static_assert(std::derived_from<Bare, MutDevicePio> || std::derived_from<Bare, MutDeviceMmio>,
                "Locked<> is for devices that are a MutDevicePio or a MutDeviceMmio");

 public:
  template <typename... Args>
    requires std::constructible_from<Device, Args...>
  explicit Locked(Args&&... args) : device_(std::forward<Args>(args)...) {}
  Locked(const Locked&) = delete;
  Locked& operator=(const Locked&) = delete;

  // Calls f(device) with the guest locked out and returns what it returns; for host threads (console input, backend
  // completion). Inside f no wait for readers takes place. Precondition: the calling thread is not inside the device.
  template <typename F>
  decltype(auto) with_lock(F&& f) {
    check(!inside(), "Locked::with_lock called by a thread that is inside that device");
    const HandlerScope scope;
    const Inside entered(*this);
    return std::forward<F>(f)(static_cast<Bare&>(device_));
  }

  // The same where nobody is inside; false, and no call, where somebody is. For a thread that must not wait for a vCPU
  // that waits for it.
  template <typename F>
    requires requires(Mutex& mutex) {
      { mutex.try_lock() } -> std::same_as<bool>;
    }
  [[nodiscard]] bool try_with_lock(F&& f) {
    check(!inside(), "Locked::try_with_lock called by a thread that is inside that device");
    const HandlerScope scope;
    std::unique_lock<Mutex> lock(mutex_, std::try_to_lock);
    if (!lock) return false;
    const Inside entered(*this, std::move(lock));
    std::forward<F>(f)(static_cast<Bare&>(device_));
    return true;
  }

  // Accesses refused because their thread was inside the device already.
  [[nodiscard]] std::uint64_t refused_reentries() const noexcept { return refused_.load(std::memory_order_relaxed); }

 private:
  friend detail::LockedPio<Locked>;
  friend detail::LockedMmio<Locked>;
  friend detail::LockedDoorbells<Locked>;

  class Inside {
   public:
    explicit Inside(Locked& locked) : Inside(locked, std::unique_lock(locked.mutex_)) {}
    Inside(Locked& locked, std::unique_lock<Mutex> held) : lock_(std::move(held)), owner_(locked.owner_) {
      owner_.store(&detail::handler_depth, std::memory_order_relaxed);
    }
    ~Inside() { owner_.store(nullptr, std::memory_order_relaxed); }
    Inside(const Inside&) = delete;
    Inside& operator=(const Inside&) = delete;

   private:
    const std::unique_lock<Mutex> lock_;
    std::atomic<const std::uint32_t*>& owner_;
  };

  // No thread but this one ever stores this one's address, so a relaxed load is enough to recognise it.
  bool inside() const noexcept { return owner_.load(std::memory_order_relaxed) == &detail::handler_depth; }

  const DoorbellSource& source() const noexcept { return device_; }

  template <typename F>
  bool try_enter(F&& f) {
    if (inside()) [[unlikely]] {
      refused_.fetch_add(1, std::memory_order_relaxed);
      return false;
    }
    const Inside entered(*this);
    std::forward<F>(f)(static_cast<Bare&>(device_));
    return true;
  }

  Mutex mutex_;
  std::atomic<const std::uint32_t*> owner_ = nullptr;
  std::atomic<std::uint64_t> refused_ = 0;
  Device device_;
};

}  // namespace keel
