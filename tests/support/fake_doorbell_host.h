// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <span>

#include "keel/base/event_fd.h"
#include "keel/base/little_endian.h"
#include "keel/base/mutex.h"
#include "keel/base/try.h"
#include "keel/bus/doorbell.h"
#include "keel/bus/io_manager.h"

namespace keel::testing {

// A hypervisor with doorbells and a guest's writes: one that rings is an event, any other an access. Any thread.
class FakeDoorbellHost final : public DoorbellHost {
 public:
  explicit FakeDoorbellHost(const IoManager& io) : io_(io) {}

  enum class Took : std::uint8_t { kEvent, kDevice, kNobody };
  Took write(PioAddress address, std::span<const std::uint8_t> bytes) {
    if (rings(pio_, address, bytes)) return Took::kEvent;
    return io_.pio_write(address, bytes) == Dispatch::kClaimed ? Took::kDevice : Took::kNobody;
  }
  Took write(MmioAddress address, std::span<const std::uint8_t> bytes) {
    if (rings(mmio_, address, bytes)) return Took::kEvent;
    return io_.mmio_write(address, bytes) == Dispatch::kClaimed ? Took::kDevice : Took::kNobody;
  }

  Result<std::unique_ptr<DoorbellBinding>> bind(const PioDoorbell& doorbell, const EventFd& event) override {
    return bind_on(pio_, doorbell, event);
  }
  Result<std::unique_ptr<DoorbellBinding>> bind(const MmioDoorbell& doorbell, const EventFd& event) override {
    return bind_on(mmio_, doorbell, event);
  }

  [[nodiscard]] std::size_t bound() const {
    const Lock lock(mutex_);
    return pio_.size() + mmio_.size();
  }
  // The bind() after `after` more fails.
  void fail_bind(int after) { fail_after_ = after; }

 private:
  template <typename A>
  struct Bound {
    DoorbellOn<A> doorbell;
    const EventFd* event;
  };
  template <typename A>
  class Binding final : public DoorbellBinding {
   public:
    Binding(FakeDoorbellHost& host, std::list<Bound<A>>& list, typename std::list<Bound<A>>::iterator at)
        : host_(host), list_(list), at_(at) {}
    ~Binding() override {
      const Lock lock(host_.mutex_);
      list_.erase(at_);
    }

   private:
    FakeDoorbellHost& host_;
    std::list<Bound<A>>& list_;
    typename std::list<Bound<A>>::iterator at_;
  };

  template <typename A>
  Result<std::unique_ptr<DoorbellBinding>> bind_on(std::list<Bound<A>>& list, const DoorbellOn<A>& doorbell,
                                                   const EventFd& event) {
    KEEL_TRY_VOID(check_doorbell(doorbell));
    const Lock lock(mutex_);
    if (fail_after_-- == 0) return fail(ErrorCode::kIo, "a binding was made to fail");
    for (const Bound<A>& other : list) {
      if (other.doorbell == doorbell) return fail(ErrorCode::kAlreadyExists, "{} is bound", doorbell);
    }
    list.push_back({doorbell, &event});
    return std::make_unique<Binding<A>>(*this, list, std::prev(list.end()));
  }

  template <typename A>
  bool rings(const std::list<Bound<A>>& list, A address, std::span<const std::uint8_t> bytes) {
    const Lock lock(mutex_);
    for (const auto& [doorbell, event] : list) {
      if (doorbell.address != address) continue;
      if (doorbell.match != DoorbellMatch::kAnyWrite && doorbell.size != bytes.size()) continue;
      if (doorbell.match == DoorbellMatch::kExactWrite && doorbell.value != load_le(bytes)) continue;
      return event->signal().has_value();
    }
    return false;
  }

  const IoManager& io_;
  mutable Mutex mutex_;
  std::list<Bound<PioAddress>> pio_;
  std::list<Bound<MmioAddress>> mmio_;
  int fail_after_ = -1;
};

}  // namespace keel::testing
