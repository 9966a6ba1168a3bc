// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// Gives a device its place in a machine, finds it at its address, and takes it out again, with everything it held.

#include <keel/base/little_endian.h>
#include <keel/base/try.h>
#include <keel/bus/locked.h>
#include <keel/device/device_manager.h>
#include <keel/device/plain_device.h>

namespace {

struct Counter : keel::MutDevicePio {
  void pio_read(keel::PioAddress, std::uint16_t, std::span<std::uint8_t> data) override {
    keel::store_le(data, ++reads);
  }
  void pio_write(keel::PioAddress, std::uint16_t, std::span<const std::uint8_t>) override { reads = 0; }
  std::uint64_t reads = 0;
};

// Any four ports from 0x500 on.
std::shared_ptr<keel::Device> counter() {
  const auto where = keel::PioRange::constant(0x500, 0x5ff);
  return std::make_shared<keel::PlainDevice>(
      keel::PlainDevice::Parts{.type = "counter",
                               .constraints = {keel::PioConstraint{.size = 4, .within = where}},
                               .pio = std::make_shared<keel::Locked<Counter>>()});
}

keel::Result<std::uint64_t> run() {
  keel::IoManager io;
  KEEL_TRY(auto spaces, keel::SystemAllocator<keel::Mutex>::create({.pio = keel::PioRange::all()}));
  keel::DeviceManager devices(std::move(spaces), io);

  KEEL_TRY(auto first, devices.attach(counter(), {.name = "counter0"}));
  KEEL_TRY(auto second, devices.attach(counter(), {.name = "counter1"}));
  fmt::print("{}", keel::to_string(devices.view()));

  // A name may be there once, and the error says who has it.
  const auto third = devices.attach(counter(), {.name = "counter1"});
  fmt::print("{}\n", third ? "attached" : third.error().message());

  KEEL_TRY(const keel::AddressHolder holder, devices.resolve(keel::PioAddress(0x504)));
  fmt::print("port 0x504 belongs to {}\n", holder.path);
  std::uint8_t data[4];
  KEEL_TRY_VOID(devices.serve_read(keel::PioAddress(0x504), data));

  // Returns when no access is inside it any more; a handle that is dropped does the same.
  KEEL_TRY_VOID(second.detach());
  return devices.serve_read(keel::PioAddress(0x504), data) ? 0 : keel::load_le(data);
}

}  // namespace

int main() {
  const auto nobody = run();
  if (!nobody) return fmt::print("{}\n", nobody.error().message()), 1;
  return *nobody == 0xffff'ffff ? 0 : 1;
}
