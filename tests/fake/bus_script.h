// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "fake/bus.h"
#include "fake/model_bus.h"
#include "keel/bus/io_manager.h"

namespace keel::fake {

// Plays a script, any bytes at all, to an IoManager and to the model beside it, and compares what they say. Tests feed
// it random bytes, the fuzzer worse ones.
class BusScript {
 public:
  // Runs the script to its end or to the first difference, which is returned in words.
  static std::optional<std::string> play(std::span<const std::uint8_t> bytes) {
    std::atomic<int> alive = 0;  // liburcu's thread may release a device
    std::optional<std::string> difference;
    {
      BusScript script(bytes, alive);
      difference = script.run();
    }
    if (!difference && alive != 0) {
      difference = fmt::format("{} devices are left after their manager", alive.load());
    }
    return difference;
  }

 private:
  // Answers with its number, and remembers what it was asked.
  class Numbered final : public DevicePio, public DeviceMmio {
   public:
    Numbered(unsigned number, BusScript& script) : number_(number), script_(script) { ++script_.alive_; }
    ~Numbered() override { --script_.alive_; }
    Numbered(const Numbered&) = delete;
    Numbered& operator=(const Numbered&) = delete;
    void pio_read(PioAddress base, std::uint16_t offset, std::span<std::uint8_t> data) override {
      store_le(data, number_);
      script_.hit_ = {number_, base.value(), offset, data.size()};
    }
    void pio_write(PioAddress base, std::uint16_t offset, std::span<const std::uint8_t> data) override {
      script_.hit_ = {number_, base.value(), offset, data.size()};
    }
    void mmio_read(MmioAddress base, std::uint64_t offset, std::span<std::uint8_t> data) override {
      store_le(data, number_);
      script_.hit_ = {number_, base.value(), offset, data.size()};
    }
    void mmio_write(MmioAddress base, std::uint64_t offset, std::span<const std::uint8_t> data) override {
      script_.hit_ = {number_, base.value(), offset, data.size()};
    }

   private:
    const unsigned number_;
    BusScript& script_;
  };
  struct Hit {
    unsigned device;
    std::uint64_t base;
    std::uint64_t offset;
    std::size_t size;
    friend bool operator==(const Hit&, const Hit&) = default;
  };

  template <typename A>
  struct Side {
    ModelBus<A> model;
    typename ModelBus<A>::Draft draft;
  };

  BusScript(std::span<const std::uint8_t> bytes, std::atomic<int>& alive) : bytes_(bytes), alive_(alive) {}

  std::uint8_t byte() {
    if (bytes_.empty()) return 0;
    const std::uint8_t value = bytes_.front();
    bytes_ = bytes_.subspan(1);
    return value;
  }

  // Mostly addresses that are near each other and near what goes wrong: both ends, page borders, far corners.
  std::uint64_t number() {
    static constexpr std::uint64_t kCorners[] = {0,          0x60,       0x1000,     0xd0000000,
                                                 1ull << 32, 1ull << 63, ~0ull - 63, ~0ull};
    const std::uint8_t kind = byte();
    if (kind == 0xff) {
      std::uint64_t value = 0;
      for (int i = 0; i < 8; ++i) value = value << 8 | byte();
      return value;
    }
    const std::uint64_t offset = byte();
    return kCorners[kind & 7] + (offset << ((kind >> 3) & 15));
  }

  std::optional<std::string> run() {
    while (!bytes_.empty()) {
      const std::uint8_t what = byte();
      const auto difference = (what & 1) != 0 ? step<PioAddress>(pio_, what >> 1) : step<MmioAddress>(mmio_, what >> 1);
      if (difference) return difference;
    }
    return compare_lists();
  }

  template <typename A>
  std::optional<std::string> step(Side<A>& side, unsigned what) {
    switch (what % 8) {
      case 0:
      case 1: return add(side, what >> 3);
      case 2: return remove(side, what >> 3);
      case 3: return move(side);
      case 4: return compare_lists();
      case 5: return finish(what >> 3);
      default: return access(side, what >> 3);
    }
  }

  static std::optional<std::string> differ(const char* what, std::optional<ErrorCode> expected,
                                           const std::optional<Error>& actual) {
    const std::optional<ErrorCode> code = actual ? std::optional(actual->code()) : std::nullopt;
    if (code == expected) return std::nullopt;
    return fmt::format("{}: the model says {}, the manager {}", what, expected ? to_string(*expected) : "fine",
                       actual ? actual->message() : "fine");
  }
  template <typename T>
  static std::optional<Error> error_of(const Result<T>& result) {
    return result ? std::nullopt : std::optional(result.error());
  }

  template <typename A>
  std::optional<std::string> add(Side<A>& side, unsigned mode) {
    const A first(static_cast<typename A::Value>(number()));
    const std::optional<A> last = first.checked_add(number() >> (mode & 2 ? 0 : 20));
    if (!last) return std::nullopt;
    const Range<A> range = *Range<A>::from_bounds(first, *last);
    const unsigned device = ++devices_;
    auto numbered = std::make_shared<Numbered>(device, *this);
    const bool drafted = (mode & 1) != 0;
    const auto expected =
        side.model.add(range.first().value(), range.last().value(), device, drafted ? &side.draft : nullptr);
    if constexpr (std::same_as<A, PioAddress>) {
      return differ(
          "register", expected,
          error_of(drafted ? open().register_pio(range, numbered, "") : bus_.register_pio(range, numbered, "")));
    } else {
      return differ(
          "register", expected,
          error_of(drafted ? open().register_mmio(range, numbered, "") : bus_.register_mmio(range, numbered, "")));
    }
  }

  template <typename A>
  std::optional<std::string> remove(Side<A>& side, unsigned mode) {
    const A at(static_cast<typename A::Value>(number()));
    const bool drafted = (mode & 1) != 0;
    const auto expected = side.model.remove(at.value(), drafted ? &side.draft : nullptr);
    std::optional<Error> actual;
    if constexpr (std::same_as<A, PioAddress>)
      actual = drafted ? error_of(open().deregister_pio(at)) : error_of(bus_.deregister_pio(at));
    else
      actual = drafted ? error_of(open().deregister_mmio(at)) : error_of(bus_.deregister_mmio(at));
    return differ("deregister", expected, actual);
  }

  template <typename A>
  std::optional<std::string> move(Side<A>& side) {
    const A at(static_cast<typename A::Value>(number()));
    const A to(static_cast<typename A::Value>(number()));
    const auto expected = side.model.move(at.value(), to.value(), side.draft);
    if constexpr (std::same_as<A, PioAddress>)
      return differ("move", expected, error_of(open().move_pio(at, to)));
    else
      return differ("move", expected, error_of(open().move_mmio(at, to)));
  }

  IoTransaction& open() {
    if (!transaction_) transaction_.emplace(bus_.begin());
    return *transaction_;
  }

  // Commits or cancels what is drafted on both buses.
  std::optional<std::string> finish(unsigned mode) {
    if (mode % 4 == 0) {
      if (mode & 4)
        open().cancel();
      else
        transaction_.reset();
      pio_.draft = {};
      mmio_.draft = {};
      return std::nullopt;
    }
    auto expected = pio_.model.admissible(pio_.draft);
    if (!expected) expected = mmio_.model.admissible(mmio_.draft);
    const Result<Completion> committed = open().commit();
    if (!expected) {
      (void)pio_.model.commit(pio_.draft);
      (void)mmio_.model.commit(mmio_.draft);
      if (committed && mode % 4 == 1 && committed->wait() != Completion::Wait::kDone) return "wait did not end it";
    }
    return differ("commit", expected, error_of(committed));
  }

  template <typename A>
  std::optional<std::string> access(Side<A>& side, unsigned mode) {
    static constexpr std::size_t kSizes[] = {1, 2, 4, 8, 0, 3, 16, 200};
    const A address(static_cast<typename A::Value>(number()));
    std::vector<std::uint8_t> data(kSizes[mode & 7], 0xa5);
    const bool reads = (mode & 8) != 0;
    hit_.reset();
    Dispatch result;
    if constexpr (std::same_as<A, PioAddress>)
      result = reads ? bus_.pio_read(address, data) : bus_.pio_write(address, data);
    else
      result = reads ? bus_.mmio_read(address, data) : bus_.mmio_write(address, data);

    const auto claimer = side.model.claimer(address.value(), data.size());
    const std::optional<Hit> expected =
        claimer ? std::optional(Hit{claimer->device, claimer->first, address.value() - claimer->first, data.size()})
                : std::nullopt;
    std::vector<std::uint8_t> expected_data(data.size(), reads ? 0xff : 0xa5);
    if (reads && claimer) store_le(expected_data, claimer->device);
    if (hit_ != expected || (result == Dispatch::kClaimed) != claimer.has_value() || data != expected_data) {
      return fmt::format("{} {} of {} bytes at {}: device {} was asked, device {} is right", BusTraits<A>::kName,
                         reads ? "read" : "write", data.size(), address, hit_ ? hit_->device : 0,
                         claimer ? claimer->device : 0);
    }
    return std::nullopt;
  }

  template <typename A>
  static bool same(const std::vector<BusEntry<A>>& entries, const ModelBus<A>& model) {
    return std::ranges::equal(entries, model.entries, [](const BusEntry<A>& entry, const auto& expected) {
      return entry.range().first().value() == expected.first && entry.range().last().value() == expected.last;
    });
  }
  std::optional<std::string> compare_lists() {
    if (same(bus_.pio_entries(), pio_.model) && same(bus_.mmio_entries(), mmio_.model)) return std::nullopt;
    return "the manager lists other ranges than the model";
  }

  std::span<const std::uint8_t> bytes_;
  std::atomic<int>& alive_;
  unsigned devices_ = 0;
  std::optional<Hit> hit_;
  Side<PioAddress> pio_;
  Side<MmioAddress> mmio_;
  IoManager bus_;
  std::optional<IoTransaction> transaction_;
};

}  // namespace keel::fake
