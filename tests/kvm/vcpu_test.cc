// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/kvm/vcpu.h"

#include <pthread.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <variant>

#include <gtest/gtest.h>

#include "kvm/tiny_guest.h"

namespace keel::kvm {
namespace {

using testing::Irqchip;
using testing::need;
using testing::TinyGuest;

TEST(Vcpu, PortWriteExitsWithItsPortAndByte) {
  TinyGuest guest(Irqchip::kNone, {0xba, 0xf8, 0x03,  // mov dx, 0x3f8
                                   0xb0, 0x4b,        // mov al, 'K'
                                   0xee,              // out dx, al
                                   0xf4});            // hlt
  const Exit exit = guest.run();
  const auto* pio = std::get_if<PioExit>(&exit);
  ASSERT_NE(pio, nullptr);
  EXPECT_EQ(pio->direction, Direction::kWrite);
  EXPECT_EQ(pio->port, PioAddress(0x3f8));
  ASSERT_EQ(pio->data.size(), 1u);
  EXPECT_EQ(pio->data[0], 'K');
  EXPECT_TRUE(std::holds_alternative<HaltExit>(guest.run()));
}

TEST(Vcpu, PortReadGetsWhatTheHostFillsIn) {
  TinyGuest guest(Irqchip::kNone, {0xe5, 0x70,  // in ax, 0x70
                                   0xe7, 0x72,  // out 0x72, ax
                                   0xf4});      // hlt
  Exit exit = guest.run();
  auto* in = std::get_if<PioExit>(&exit);
  ASSERT_NE(in, nullptr);
  EXPECT_EQ(in->direction, Direction::kRead);
  ASSERT_EQ(in->data.size(), 2u);
  in->data[0] = 0x34;
  in->data[1] = 0x12;
  exit = guest.run();
  const auto* out = std::get_if<PioExit>(&exit);
  ASSERT_NE(out, nullptr);
  EXPECT_EQ(out->port, PioAddress(0x72));
  EXPECT_EQ(out->data[0], 0x34);
  EXPECT_EQ(out->data[1], 0x12);
}

TEST(Vcpu, StringOutputDeliversEveryElementInOrder) {
  TinyGuest guest(Irqchip::kNone, {0xfc,              // cld
                                   0xbe, 0x00, 0x20,  // mov si, 0x2000
                                   0xb9, 0x04, 0x00,  // mov cx, 4
                                   0xba, 0xf8, 0x03,  // mov dx, 0x3f8
                                   0xf3, 0x6e,        // rep outsb
                                   0xf4});            // hlt
  guest.put(0x2000, {'k', 'e', 'e', 'l'});
  std::string text;
  for (Exit exit = guest.run(); !std::holds_alternative<HaltExit>(exit); exit = guest.run()) {
    const auto* pio = std::get_if<PioExit>(&exit);
    ASSERT_NE(pio, nullptr);
    ASSERT_EQ(pio->data.size(), std::size_t{pio->size} * pio->count);
    text.append(pio->data.begin(), pio->data.end());
  }
  EXPECT_EQ(text, "keel");
}

TEST(Vcpu, MmioReadAndWriteCarryAddressAndBytes) {
  TinyGuest guest(Irqchip::kNone, {0xb8, 0x00, 0xd0,  // mov ax, 0xd000
                                   0x8e, 0xd8,        // mov ds, ax
                                   0xa0, 0x00, 0x00,  // mov al, [0]
                                   0xa2, 0x01, 0x00,  // mov [1], al
                                   0xf4});            // hlt
  Exit exit = guest.run();
  auto* read = std::get_if<MmioExit>(&exit);
  ASSERT_NE(read, nullptr);
  EXPECT_EQ(read->direction, Direction::kRead);
  EXPECT_EQ(read->address, MmioAddress(0xd0000));
  ASSERT_EQ(read->data.size(), 1u);
  read->data[0] = 0x5a;
  exit = guest.run();
  const auto* write = std::get_if<MmioExit>(&exit);
  ASSERT_NE(write, nullptr);
  EXPECT_EQ(write->direction, Direction::kWrite);
  EXPECT_EQ(write->address, MmioAddress(0xd0001));
  EXPECT_EQ(write->data[0], 0x5a);
}

TEST(Vcpu, KickBeforeRunEndsItAtOnce) {
  TinyGuest guest(Irqchip::kNone, {0xeb, 0xfe});  // jmp $
  guest.vcpu.kick();
  EXPECT_TRUE(std::holds_alternative<InterruptedExit>(guest.run()));
}

TEST(Vcpu, KickEndsAGuestThatNeverExits) {
  TinyGuest guest(Irqchip::kNone, {0xe6, 0x10,    // out 0x10, al: says that it runs
                                   0xeb, 0xfe});  // jmp $
  need(Vcpu::install_kick_handler());
  std::atomic<bool> running = false;
  std::atomic<bool> interrupted = false;
  std::thread thread([&] {
    EXPECT_TRUE(std::holds_alternative<PioExit>(guest.run()));
    running = true;
    interrupted = std::holds_alternative<InterruptedExit>(guest.run());
  });
  while (!running) std::this_thread::yield();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  guest.vcpu.kick();
  ::pthread_kill(thread.native_handle(), Vcpu::kick_signal());
  thread.join();
  EXPECT_TRUE(interrupted);
}

}  // namespace
}  // namespace keel::kvm
