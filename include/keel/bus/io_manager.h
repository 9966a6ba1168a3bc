// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "keel/base/error.h"
#include "keel/bus/bus.h"
#include "keel/bus/io_transaction.h"
#include "keel/bus/ledger.h"
#include "keel/bus/removal.h"
#include "keel/resource/resources.h"

namespace keel {

namespace detail {
class IoManagerCore;
struct IoDispatch;
}  // namespace detail

// Both buses of a machine: finds the device an access is for, while devices come and go.
//
// Every member may be called from any thread, and from inside an I/O handler, for any device, the one being served
// included. Errors of registration: kInvalidArgument (no device), kOverlap (names both parties; nothing changed),
// kExhausted (too many ranges, or too many changes that handlers made and readers have not yet let go); of lookup and
// deregistration: kNotFound.
//
// Threads need no ceremony: the first access of a thread makes it ready, which allocates, and its end undoes that.
// Destroy the manager when no thread is inside a call.
class IoManager {
 public:
  // Handlers that dispatch, inside handlers that dispatch…: an access deeper than this is nobody's.
  static constexpr std::size_t kMaxNesting = 16;

  IoManager();
  ~IoManager();
  IoManager(const IoManager&) = delete;
  IoManager& operator=(const IoManager&) = delete;

  // An access belongs to the range that holds all of its bytes. Where none does (nobody there, an end straddled, the
  // top of the space passed, no bytes at all) a read fills `data` with ones, a write goes nowhere, and it is counted.
  // These never fail, throw, lock or wait, and allocate on a thread's first access alone.
  Dispatch pio_read(PioAddress address, std::span<std::uint8_t> data) const noexcept;
  Dispatch pio_write(PioAddress address, std::span<const std::uint8_t> data) const noexcept;
  Dispatch mmio_read(MmioAddress address, std::span<std::uint8_t> data) const noexcept;
  Dispatch mmio_write(MmioAddress address, std::span<const std::uint8_t> data) const noexcept;

  // A write of the host's for one device: as above where `device` claims it, and otherwise nothing, not even a count.
  // The pointer is compared alone, so that the device may be gone by then.
  Dispatch pio_write_to(const DevicePio* device, PioAddress address, std::span<const std::uint8_t> data) const noexcept;
  Dispatch mmio_write_to(const DeviceMmio* device, MmioAddress address,
                         std::span<const std::uint8_t> data) const noexcept;

  // Makes the calling thread ready before its first access, and names it in the ledger ("vcpu0").
  void name_this_thread(std::string name) const;

  // `owner` names the device in messages and statistics.
  Result<void> register_pio(PioRange range, std::shared_ptr<DevicePio> device, std::string owner);
  Result<void> register_mmio(MmioRange range, std::shared_ptr<DeviceMmio> device, std::string owner);
  // One device at all its ranges at once: every one, or none and an error. `pio` and `mmio` may be empty, and the
  // device null on the bus where they are.
  Result<void> register_device(std::span<const PioRange> pio, std::shared_ptr<DevicePio> pio_device,
                               std::span<const MmioRange> mmio, std::shared_ptr<DeviceMmio> mmio_device,
                               const std::string& owner);
  // The same at the port ranges and trapped MMIO ranges of `resources`, whatever else it holds.
  Result<void> register_device(const DeviceResources& resources, std::shared_ptr<DevicePio> pio_device,
                               std::shared_ptr<DeviceMmio> mmio_device, const std::string& owner);

  // Takes away the range that `any_inside` lies in. No access that starts after the return reaches its device; those
  // inside it are done when the Removal says so.
  Result<PioRemoval> deregister_pio(PioAddress any_inside);
  Result<MmioRemoval> deregister_mmio(MmioAddress any_inside);
  // All of exactly these ranges at once, or none and an error.
  Result<Completion> deregister_device(std::span<const PioRange> pio, std::span<const MmioRange> mmio);
  // The same with the port ranges and trapped MMIO ranges of `resources`, whatever else it holds.
  Result<Completion> deregister_device(const DeviceResources& resources);

  // Any set of changes that take effect at once.
  [[nodiscard]] IoTransaction begin();

  [[nodiscard]] Result<PioEntry> find_pio(PioAddress address) const;
  [[nodiscard]] Result<MmioEntry> find_mmio(MmioAddress address) const;
  // The entry that would claim an access of `size` bytes. Besides kNotFound: kInvalidArgument for size 0, kOutOfBounds
  // where the access passes the end of the range it starts in.
  [[nodiscard]] Result<PioEntry> check_pio(PioAddress address, std::size_t size) const;
  [[nodiscard]] Result<MmioEntry> check_mmio(MmioAddress address, std::size_t size) const;
  // In ascending order; a picture of one moment.
  [[nodiscard]] std::vector<PioEntry> pio_entries() const;
  [[nodiscard]] std::vector<MmioEntry> mmio_entries() const;
  // Who was accessed how often and for how long, and what was accessed in vain.
  [[nodiscard]] IoLedger ledger() const;

  // The same ranges served by the same devices.
  friend bool operator==(const IoManager& a, const IoManager& b);

 private:
  friend detail::IoDispatch;
  const std::unique_ptr<detail::IoManagerCore> core_;
};

}  // namespace keel
