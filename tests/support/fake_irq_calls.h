// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "keel/base/try.h"
#include "keel/kvm/irq_calls.h"

namespace keel::testing {

// KVM's side of the interrupt calls, with its checks and without its guest. Any call can be made to fail; one that
// fails changes nothing. One thread at a time.
class FakeIrqCalls final : public kvm::IrqCalls {
 public:
  explicit FakeIrqCalls(std::uint32_t gsis = 64) : gsis_(gsis) {}

  // The next calls numbered from `first` to `last`, counted from 0, fail.
  void fail(std::size_t first, std::size_t last) {
    calls_ = 0;
    failing_ = {first, last};
  }
  void fail_all_from(std::size_t first) { fail(first, ~std::size_t{0}); }
  void work() { failing_ = {}; }
  // Whether a call failed since the last fail().
  [[nodiscard]] bool has_failed() const { return failing_ && calls_ > failing_->first; }

  Result<void> set_routes(std::span<const kvm::MsiRoute> messages) override {
    KEEL_TRY_VOID(next("set_routes"));
    ++route_changes;
    routes.assign(messages.begin(), messages.end());
    return {};
  }
  Result<void> add_irqfd(const EventFd& trigger, Gsi gsi) override {
    KEEL_TRY_VOID(next("add_irqfd"));
    return add(trigger.fd(), gsi);
  }
  Result<void> add_resampled_irqfd(const EventFd& trigger, const EventFd& resample, Gsi gsi) override {
    KEEL_TRY_VOID(next("add_resampled_irqfd"));
    KEEL_TRY_VOID(add(trigger.fd(), gsi));
    resample_fds[trigger.fd()] = resample.fd();
    return {};
  }
  Result<void> remove_irqfd(const EventFd& trigger, Gsi gsi) override {
    KEEL_TRY_VOID(next("remove_irqfd"));
    const auto found = irqfds.find(trigger.fd());
    if (found == irqfds.end() || found->second != gsi)
      return keel::fail(ErrorCode::kIo, "eventfd {} has no irqfd on {}", trigger.fd(), gsi);
    irqfds.erase(found);
    resample_fds.erase(trigger.fd());
    return {};
  }
  Result<void> raise_line(Gsi gsi) override {
    KEEL_TRY_VOID(next("raise_line"));
    ++line_changes;
    lines_up.insert(gsi);
    return {};
  }
  Result<void> lower_line(Gsi gsi) override {
    KEEL_TRY_VOID(next("lower_line"));
    ++line_changes;
    lines_up.erase(gsi);
    return {};
  }
  Result<void> signal_msi(const MsiConfig& message) override {
    KEEL_TRY_VOID(next("signal_msi"));
    sent.push_back(message);
    return {};
  }
  [[nodiscard]] std::uint32_t gsi_count() const noexcept override { return gsis_; }

  // What reaches the guest, and where: irqfds and, of messages, the route that each feeds.
  struct Live {
    std::map<int, Gsi> irqfds;
    std::map<Gsi, MsiConfig> fed_routes;
    std::set<Gsi> lines_up;
    friend bool operator==(const Live&, const Live&) = default;
  };
  [[nodiscard]] Live live() const {
    Live now{irqfds, {}, lines_up};
    for (const auto& [fd, gsi] : irqfds) {
      for (const kvm::MsiRoute& route : routes) {
        if (route.gsi == gsi) now.fed_routes[gsi] = route.message;
      }
    }
    return now;
  }

  std::vector<kvm::MsiRoute> routes;
  std::map<int, Gsi> irqfds;
  std::map<int, int> resample_fds;
  std::set<Gsi> lines_up;
  std::vector<MsiConfig> sent;
  int route_changes = 0;
  int line_changes = 0;

 private:
  struct Failing {
    std::size_t first;
    std::size_t last;
  };

  Result<void> next(const char* name) {
    const std::size_t call = calls_++;
    if (!failing_ || call < failing_->first || call > failing_->last) return {};
    return keel::fail(ErrorCode::kIo, "{} was made to fail", name);
  }
  Result<void> add(int fd, Gsi gsi) {
    if (gsi.value() >= gsis_) return keel::fail(ErrorCode::kIo, "gsi {} is beyond the table", gsi);
    const bool routed = gsi.value() < 24 || std::ranges::find(routes, gsi, &kvm::MsiRoute::gsi) != routes.end();
    if (!routed) return keel::fail(ErrorCode::kIo, "gsi {} has no route", gsi);
    if (!irqfds.emplace(fd, gsi).second) return keel::fail(ErrorCode::kIo, "eventfd {} has an irqfd already", fd);
    return {};
  }

  const std::uint32_t gsis_;
  std::size_t calls_ = 0;
  std::optional<Failing> failing_;
};

}  // namespace keel::testing
