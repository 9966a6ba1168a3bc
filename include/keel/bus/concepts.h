// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "keel/base/error.h"
#include "keel/bus/bus.h"

namespace keel {

// What a removal must say: what was taken away and whether it is at rest.
template <typename R, typename A>
concept BusRemoval = requires(const R& removal) {
  { removal.entry() } -> std::convertible_to<const BusEntry<A>&>;
  { removal.done() } noexcept -> std::same_as<bool>;
  removal.wait();
};

// Code that registers or reaches devices states one of these and takes any implementation; IoManager is both. The
// meaning of each member is IoManager's (keel/bus/io_manager.h).
template <typename M>
concept PioManager =
    requires(M& manager, const M& constant, PioRange range, PioAddress address, std::shared_ptr<DevicePio> device,
             std::string owner, std::span<std::uint8_t> in, std::span<const std::uint8_t> out) {
      { manager.register_pio(range, device, owner) } -> std::same_as<Result<void>>;
      { manager.deregister_pio(address).value() } -> BusRemoval<PioAddress>;
      { constant.find_pio(address) } -> std::same_as<Result<PioEntry>>;
      { constant.check_pio(address, in.size()) } -> std::same_as<Result<PioEntry>>;
      { constant.pio_read(address, in) } noexcept -> std::same_as<Dispatch>;
      { constant.pio_write(address, out) } noexcept -> std::same_as<Dispatch>;
    };

template <typename M>
concept MmioManager =
    requires(M& manager, const M& constant, MmioRange range, MmioAddress address, std::shared_ptr<DeviceMmio> device,
             std::string owner, std::span<std::uint8_t> in, std::span<const std::uint8_t> out) {
      { manager.register_mmio(range, device, owner) } -> std::same_as<Result<void>>;
      { manager.deregister_mmio(address).value() } -> BusRemoval<MmioAddress>;
      { constant.find_mmio(address) } -> std::same_as<Result<MmioEntry>>;
      { constant.check_mmio(address, in.size()) } -> std::same_as<Result<MmioEntry>>;
      { constant.mmio_read(address, in) } noexcept -> std::same_as<Dispatch>;
      { constant.mmio_write(address, out) } noexcept -> std::same_as<Dispatch>;
    };

}  // namespace keel
