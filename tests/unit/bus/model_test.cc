// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// The buses against the plain model of tests/fake/model_bus.h: exhaustively where the space is small, at random where
// it is not.

#include <array>
#include <functional>
#include <random>

#include <gtest/gtest.h>

#include "fake/bus_script.h"

namespace keel {
namespace {

// One way to fill a space of kSpace addresses: [first, last] pairs, ascending and disjoint.
constexpr unsigned kSpace = 5;
using Layout = std::vector<std::pair<unsigned, unsigned>>;

void for_each_layout(const std::function<void(const Layout&)>& f, Layout& layout, unsigned from) {
  f(layout);
  for (unsigned first = from; first < kSpace; ++first) {
    for (unsigned last = first; last < kSpace; ++last) {
      layout.emplace_back(first, last);
      for_each_layout(f, layout, last + 1);
      layout.pop_back();
    }
  }
}

// Both buses through one face.
template <typename A>
struct Face;
template <>
struct Face<PioAddress> {
  static constexpr std::uint64_t kTop = 0x10000;
  static auto add(IoManager& bus, PioRange range, std::shared_ptr<DevicePio> device) {
    return bus.register_pio(range, std::move(device), "");
  }
  static auto remove(IoManager& bus, PioAddress at) { return bus.deregister_pio(at); }
  static auto move(IoTransaction& change, PioAddress at, PioAddress to) { return change.move_pio(at, to); }
  static auto read(const IoManager& bus, PioAddress at, std::span<std::uint8_t> data) { return bus.pio_read(at, data); }
  static auto check(const IoManager& bus, PioAddress at, std::size_t size) { return bus.check_pio(at, size); }
};
template <>
struct Face<MmioAddress> {
  static constexpr std::uint64_t kTop = 0;  // 2^64, wrapped
  static auto add(IoManager& bus, MmioRange range, std::shared_ptr<DeviceMmio> device) {
    return bus.register_mmio(range, std::move(device), "");
  }
  static auto remove(IoManager& bus, MmioAddress at) { return bus.deregister_mmio(at); }
  static auto move(IoTransaction& change, MmioAddress at, MmioAddress to) { return change.move_mmio(at, to); }
  static auto read(const IoManager& bus, MmioAddress at, std::span<std::uint8_t> data) {
    return bus.mmio_read(at, data);
  }
  static auto check(const IoManager& bus, MmioAddress at, std::size_t size) { return bus.check_mmio(at, size); }
};

template <typename A>
class BusModel : public testing::Test {
 protected:
  using Value = typename A::Value;
  using F = Face<A>;

  struct Both {
    IoManager bus;
    fake::ModelBus<A> model;

    void clear() {
      for (const auto& entry : model.entries) {
        ASSERT_TRUE(Face<A>::remove(bus, A(static_cast<Value>(entry.first))).has_value());
      }
      model = {};
    }
  };

  static A at(std::uint64_t base, unsigned i) { return A(static_cast<Value>(base + i)); }

  static void fill(Both& both, std::uint64_t base, const Layout& layout) {
    both.clear();
    for (const auto& [first, last] : layout) (void)add(both, base, first, last);
  }
  static bool add(Both& both, std::uint64_t base, unsigned first, unsigned last) {
    const auto number = static_cast<unsigned>(++devices_);
    const auto range = *Range<A>::from_bounds(at(base, first), at(base, last));
    const auto expected = both.model.add(range.first().value(), range.last().value(), number, nullptr);
    const auto actual = F::add(both.bus, range, std::make_shared<fake::RecordingDevice>(number));
    return expected == (actual ? std::nullopt : std::optional(actual.error().code()));
  }

  // Every access of up to kSpace + 1 bytes in and around the space.
  static void expect_same(const Both& both, std::uint64_t base, const Layout& layout) {
    for (unsigned i = 0; i < kSpace; ++i) {
      for (std::size_t size = 0; size <= kSpace + 1; ++size) {
        std::vector<std::uint8_t> data(size, 0);
        const auto claimer = both.model.claimer(at(base, i).value(), size);
        std::vector<std::uint8_t> expected(size, 0xff);
        if (claimer) store_le(expected, claimer->device);
        const Dispatch result = F::read(both.bus, at(base, i), data);
        ASSERT_EQ(result == Dispatch::kClaimed, claimer.has_value()) << testing::PrintToString(layout) << i << size;
        ASSERT_EQ(data, expected) << testing::PrintToString(layout) << i << size;
        ASSERT_EQ(F::check(both.bus, at(base, i), size).has_value(), claimer.has_value());
      }
    }
  }

  static inline std::uint64_t devices_ = 0;
};

using Buses = testing::Types<PioAddress, MmioAddress>;
TYPED_TEST_SUITE(BusModel, Buses);

TYPED_TEST(BusModel, AgreesOnEveryLayoutOfASmallSpaceAndEveryChangeToIt) {
  using Fixture = BusModel<TypeParam>;
  for (const std::uint64_t base : {std::uint64_t{0}, Face<TypeParam>::kTop - kSpace}) {
    Layout scratch;
    typename Fixture::Both both;
    for_each_layout(
        [&](const Layout& layout) {
          for (unsigned a = 0; a < kSpace; ++a) {
            for (unsigned b = a; b < kSpace; ++b) {  // register [a, b]
              Fixture::fill(both, base, layout);
              ASSERT_TRUE(Fixture::add(both, base, a, b));
              Fixture::expect_same(both, base, layout);
            }
            {  // deregister whatever is at a
              Fixture::fill(both, base, layout);
              const bool expected = !both.model.remove(Fixture::at(base, a).value(), nullptr).has_value();
              ASSERT_EQ(Face<TypeParam>::remove(both.bus, Fixture::at(base, a)).has_value(), expected);
              Fixture::expect_same(both, base, layout);
            }
            for (unsigned b = 0; b < kSpace; ++b) {  // move whatever is at a to b
              Fixture::fill(both, base, layout);
              typename fake::ModelBus<TypeParam>::Draft draft;
              const bool expected =
                  !both.model.move(Fixture::at(base, a).value(), Fixture::at(base, b).value(), draft).has_value();
              IoTransaction change = both.bus.begin();
              ASSERT_EQ(Face<TypeParam>::move(change, Fixture::at(base, a), Fixture::at(base, b)).has_value(),
                        expected);
              ASSERT_TRUE(change.commit().has_value());
              ASSERT_EQ(both.model.commit(draft), std::nullopt);
              Fixture::expect_same(both, base, layout);
            }
          }
        },
        scratch, 0);
  }
}

// The fuzzer's interpreter on random bytes.
TEST(BusScript, RandomScriptsFindNoDifference) {
  std::mt19937 random(4);
  for (int round = 0; round < 60; ++round) {
    std::vector<std::uint8_t> script(4000);
    for (auto& byte : script) byte = static_cast<std::uint8_t>(random());
    const auto difference = fake::BusScript::play(script);
    ASSERT_EQ(difference, std::nullopt) << *difference << " in round " << round;
  }
}

}  // namespace
}  // namespace keel
