// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "benchmarks/register_device.h"

#include <algorithm>
#include <cstring>

#include "keel/bus/locked.h"

namespace keel::bench {

namespace {

template <typename PioBase, typename MmioBase>
class Register : public PioBase, public MmioBase {
 public:
  explicit Register(std::uint32_t value) : value_(value) {}
  void pio_read(PioAddress, std::uint16_t, std::span<std::uint8_t> data) override { read(data); }
  void pio_write(PioAddress, std::uint16_t, std::span<const std::uint8_t>) override {}
  void mmio_read(MmioAddress, std::uint64_t, std::span<std::uint8_t> data) override { read(data); }
  void mmio_write(MmioAddress, std::uint64_t, std::span<const std::uint8_t>) override {}

 protected:
  std::uint32_t value_;

 private:
  void read(std::span<std::uint8_t> data) const {
    if (data.size() == sizeof(value_)) [[likely]]
      std::memcpy(data.data(), &value_, sizeof(value_));
    else
      std::ranges::fill(data, std::uint8_t{0});
  }
};

struct Nothing {};

class Free final : public Register<RegisterDevice, Nothing> {
 public:
  using Register::Register;
  void set(std::uint32_t value) override { value_ = value; }
};

using Exclusive = Register<MutDevicePio, MutDeviceMmio>;

}  // namespace

std::shared_ptr<RegisterDevice> make_register(std::uint32_t value) {
  return std::make_shared<Free>(value);
}

LockedRegister make_locked_register(std::uint32_t value) {
  const auto locked = std::make_shared<Locked<Exclusive>>(value);
  return {locked, locked};
}

}  // namespace keel::bench
