// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <span>
#include <stdexcept>
#include <vector>

#include "benchmarks/register_device.h"
#include "keel/bus/io_manager.h"

namespace keel::bench {

// One access and the answer it must get.
struct Access {
  std::uint64_t address;
  std::uint32_t offset;
  std::uint32_t device;
  std::uint32_t answer;
};

// Where the devices are: `count` ranges of `size`, `stride` apart, from `base`. Device i answers i.
struct Layout {
  std::uint64_t base;
  std::uint64_t size;
  std::uint64_t stride;
  std::uint32_t count;

  [[nodiscard]] std::uint64_t first(std::uint32_t device) const { return base + device * stride; }
};

template <typename A>
Layout contiguous(std::uint32_t count) {
  return std::same_as<A, PioAddress> ? Layout{0, 8, 8, count} : Layout{0xd0000000, 0x1000, 0x1000, count};
}
template <typename A>
Layout with_holes(std::uint32_t count) {
  return std::same_as<A, PioAddress> ? Layout{0, 8, 16, count} : Layout{0xd0000000, 0x1000, 0x3000, count};
}

constexpr std::size_t kAccesses = 8192;

// Random offsets in random devices, or in one alone.
inline std::vector<Access> hits(const Layout& layout, std::uint32_t devices) {
  std::mt19937 random(1);
  std::vector<Access> accesses(kAccesses);
  for (Access& access : accesses) {
    access.device = static_cast<std::uint32_t>(random() % devices);
    access.offset = static_cast<std::uint32_t>(random() % (layout.size / 4) * 4);
    access.address = layout.first(access.device) + access.offset;
    access.answer = access.device;
  }
  return accesses;
}
// Addresses that nobody has: in the holes between devices, or behind them where there are none.
inline std::vector<Access> misses(const Layout& layout) {
  std::mt19937 random(2);
  std::vector<Access> accesses(kAccesses);
  for (Access& access : accesses) {
    const bool holes = layout.stride > layout.size;
    const auto device = static_cast<std::uint32_t>(random() % layout.count);
    const std::uint64_t address =
        holes ? layout.first(device) + layout.size : layout.first(layout.count) + random() % 4096 * 4;
    access = {address, 0, 0, ~0u};
  }
  return accesses;
}

// The devices of a layout, and every bus they are on. Bus: pio_read or mmio_read by the address type.
template <typename A>
class Machine {
 public:
  using Device = DeviceOn<A>;

  explicit Machine(const Layout& layout, bool locked = false) {
    IoTransaction fill = keel.begin();
    for (std::uint32_t i = 0; i < layout.count; ++i) {
      std::shared_ptr<Device> device;
      if (locked) {
        const LockedRegister made = make_locked_register(i);
        if constexpr (std::same_as<A, PioAddress>)
          device = made.pio;
        else
          device = made.mmio;
      } else {
        device = make_register(i);
      }
      const A first(static_cast<typename A::Value>(layout.first(i)));
      const Range<A> range = Range<A>::from_size(first, layout.size).value();
      Result<void> added;
      if constexpr (std::same_as<A, PioAddress>)
        added = fill.register_pio(range, device, "");
      else
        added = fill.register_mmio(range, device, "");
      if (!added) throw std::runtime_error(added.error().message());
      array.push_back(device.get());
      map.emplace(range.first().value(), Mapped{range.last().value(), device.get()});
    }
    fill.commit().value();
  }

  struct Mapped {
    std::uint64_t last;
    Device* device;
  };

  IoManager keel;
  std::vector<Device*> array;           // the floor
  std::map<std::uint64_t, Mapped> map;  // what most peers do, without their locks
};

template <typename A>
[[gnu::always_inline]] inline void device_read(DeviceOn<A>& device, std::uint64_t base, std::uint64_t offset,
                                               std::span<std::uint8_t> data) {
  const A typed(static_cast<typename A::Value>(base));
  if constexpr (std::same_as<A, PioAddress>)
    device.pio_read(typed, static_cast<std::uint16_t>(offset), data);
  else
    device.mmio_read(typed, offset, data);
}

// One access each, for passes(): how a contender reads four bytes.
template <typename A>
struct Floor {
  static void read(const Machine<A>& machine, const Access& access, std::span<std::uint8_t> data) {
    device_read<A>(*machine.array[access.device], access.address - access.offset, access.offset, data);
  }
};
template <typename A>
struct Keel {
  static void read(const Machine<A>& machine, const Access& access, std::span<std::uint8_t> data) {
    const A address(static_cast<typename A::Value>(access.address));
    if constexpr (std::same_as<A, PioAddress>)
      machine.keel.pio_read(address, data);
    else
      machine.keel.mmio_read(address, data);
  }
};
template <typename A>
struct OrderedMap {
  static void read(const Machine<A>& machine, const Access& access, std::span<std::uint8_t> data) {
    auto it = machine.map.upper_bound(access.address);
    if (it != machine.map.begin()) {
      --it;
      if (access.address + data.size() - 1 <= it->second.last) {
        return device_read<A>(*it->second.device, it->first, access.address - it->first, data);
      }
    }
    std::ranges::fill(data, std::uint8_t{0xff});
  }
};

// All accesses once, one after the other; returns the number of wrong answers. Not inlined, and not a template of the
// list, so that each bus is called from one place, as a vCPU's loop calls it.
template <typename A, template <typename> typename How>
[[gnu::noinline]] std::uint64_t pass(const Machine<A>& machine, const std::vector<Access>& accesses) {
  std::uint64_t wrong = 0;
  for (const Access& access : accesses) {
    std::uint8_t data[4];
    How<A>::read(machine, access, data);
    std::uint32_t answer;
    std::memcpy(&answer, data, sizeof(answer));
    wrong += answer != access.answer ? 1 : 0;
  }
  return wrong;
}

}  // namespace keel::bench
