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
#include <utility>
#include <variant>
#include <vector>

#include "keel/interrupt/interrupt_config.h"
#include "keel/kvm/interrupt_holding.h"
#include "keel/resource/id_range.h"

// What groups of interrupts hold and deliver, done the simple way: every question is answered by looking at every
// interrupt there is. A call that is refused may leave a model half changed; callers change a copy.
namespace keel::fake {

enum class GroupKind : std::uint8_t { kRouted, kUnrouted, kPins, kResampled };
using AnyIrqConfig = std::variant<std::monostate, LegacyIrqConfig, MsiConfig>;

struct ModelInterrupt {
  std::optional<Gsi> gsi;  // of a routed message
  AnyIrqConfig config;
  bool enabled = false;
  bool masked = false;
  bool raised = false;      // of a pin: where the device left it
  bool remembered = false;  // an event that could not go out
  bool unsure = false;      // whether that event went out in a call that failed half way

  [[nodiscard]] const LegacyIrqConfig* pin() const { return std::get_if<LegacyIrqConfig>(&config); }
  [[nodiscard]] bool configured() const { return config.index() != 0; }
  [[nodiscard]] bool live() const { return enabled && !masked && configured(); }
  [[nodiscard]] bool is_level() const { return pin() != nullptr && pin()->trigger == TriggerMode::kLevel; }
  [[nodiscard]] bool pending() const {
    if (!enabled || live()) return false;
    return is_level() ? raised : remembered || (!configured() && raised);
  }
  // Whether pending() tells of an event that is remembered.
  [[nodiscard]] bool shows_event() const { return enabled && !live() && !is_level() && (configured() || !raised); }
};

struct ModelGroup {
  GroupKind kind;
  std::string owner;
  std::optional<IdRange<Gsi>> within;
  std::vector<ModelInterrupt> interrupts;

  [[nodiscard]] bool has_pins() const { return kind == GroupKind::kPins || kind == GroupKind::kResampled; }
};

class ModelInterrupts {
 public:
  static constexpr std::uint32_t kPins = 24;

  explicit ModelInterrupts(std::uint32_t gsis) : gsis_(gsis) {}

  std::vector<ModelGroup> groups;  // oldest first
  // What the last calls brought to the guest.
  std::set<Gsi> fired;
  std::set<Gsi> perhaps_fired;
  std::vector<MsiConfig> sent;

  bool allocate(ModelGroup& group, std::size_t count) {
    if (count == 0 || !group.interrupts.empty()) return false;
    for (std::size_t i = 0; i < count; ++i) {
      ModelInterrupt interrupt;
      if (group.kind == GroupKind::kRouted) {
        interrupt.gsi = lowest_free(group.within);
        if (!interrupt.gsi) return false;
      }
      group.interrupts.push_back(interrupt);
    }
    return true;
  }
  void enable(ModelGroup& group, ModelInterrupt& interrupt) {
    const bool was_live = interrupt.live();
    interrupt.enabled = true;
    settle(group, interrupt, was_live);
  }
  static void disable(ModelInterrupt& interrupt) {
    interrupt.enabled = interrupt.raised = interrupt.remembered = interrupt.unsure = false;
  }
  static void mask(ModelInterrupt& interrupt) { interrupt.masked = true; }
  void unmask(ModelGroup& group, ModelInterrupt& interrupt) {
    const bool was_live = interrupt.live();
    interrupt.masked = false;
    settle(group, interrupt, was_live);
  }
  bool update(ModelGroup& group, ModelInterrupt& interrupt, const AnyIrqConfig& config) {
    if (const auto* const pin = std::get_if<LegacyIrqConfig>(&config); pin != nullptr && !may_have(interrupt, *pin))
      return false;
    interrupt.config = config;
    settle(group, interrupt, false);
    return true;
  }
  bool trigger(ModelGroup& group, ModelInterrupt& interrupt) {
    if (interrupt.is_level() || !interrupt.enabled) return false;
    if (!group.has_pins()) {
      interrupt.remembered = true;
      interrupt.unsure = false;
      settle(group, interrupt, false);
      return true;
    }
    if (!raise(group, interrupt)) return false;
    interrupt.raised = false;
    return true;
  }
  bool raise(ModelGroup& group, ModelInterrupt& interrupt) {
    if (!interrupt.enabled) return false;
    if (interrupt.raised) return true;
    interrupt.raised = interrupt.remembered = true;
    interrupt.unsure = false;
    settle(group, interrupt, false);
    return true;
  }
  static void lower(ModelInterrupt& interrupt) { interrupt.raised = false; }
  // The guest acknowledges all levels that KVM lowers by itself.
  void resample() {
    for (ModelGroup& group : groups) {
      for (ModelInterrupt& interrupt : group.interrupts)
        if (group.kind == GroupKind::kResampled && interrupt.is_level()) settle(group, interrupt, false);
    }
  }

  // What is to be seen of it.
  [[nodiscard]] std::vector<kvm::InterruptHolding> holdings() const {
    std::vector<kvm::InterruptHolding> all;
    for (const ModelGroup& group : groups) {
      for (std::size_t i = 0; i < group.interrupts.size(); ++i) {
        const ModelInterrupt& interrupt = group.interrupts[i];
        all.push_back({.owner = group.owner,
                       .index = i,
                       .gsi = interrupt.pin() != nullptr ? std::optional(interrupt.pin()->line) : interrupt.gsi,
                       .config = interrupt.config,
                       .path = path(group, interrupt),
                       .enabled = interrupt.enabled,
                       .masked = interrupt.masked,
                       .pending = interrupt.pending()});
      }
    }
    return all;
  }
  // By irqfd, one for each interrupt.
  [[nodiscard]] std::multiset<Gsi> irqfds() const {
    std::multiset<Gsi> gsis;
    each_live([&](const ModelGroup& group, const ModelInterrupt& interrupt) {
      if (group.kind == GroupKind::kRouted) gsis.insert(*interrupt.gsi);
      if (group.kind == GroupKind::kResampled || (group.kind == GroupKind::kPins && !interrupt.is_level()))
        gsis.insert(interrupt.pin()->line);
    });
    return gsis;
  }
  [[nodiscard]] std::map<Gsi, MsiConfig> routes() const {
    std::map<Gsi, MsiConfig> fed;
    each_live([&](const ModelGroup& group, const ModelInterrupt& interrupt) {
      if (group.kind == GroupKind::kRouted) fed[*interrupt.gsi] = std::get<MsiConfig>(interrupt.config);
    });
    return fed;
  }
  [[nodiscard]] std::set<Gsi> lines_up() const {
    std::set<Gsi> up;
    each_live([&](const ModelGroup& group, const ModelInterrupt& interrupt) {
      if (group.kind == GroupKind::kPins && interrupt.is_level() && interrupt.raised) up.insert(interrupt.pin()->line);
    });
    return up;
  }
  // Pins that are raised by irqfd: an interrupt more changes nothing for the guest.
  [[nodiscard]] std::set<Gsi> resampled_up() const {
    std::set<Gsi> up;
    each_live([&](const ModelGroup& group, const ModelInterrupt& interrupt) {
      if (group.kind == GroupKind::kResampled && interrupt.is_level() && interrupt.raised)
        up.insert(interrupt.pin()->line);
    });
    return up;
  }
  [[nodiscard]] std::set<Gsi> taken() const {
    std::set<Gsi> gsis;
    for (const ModelGroup& group : groups) {
      for (const ModelInterrupt& interrupt : group.interrupts) {
        if (interrupt.gsi) gsis.insert(*interrupt.gsi);
        if (interrupt.pin() != nullptr) gsis.insert(interrupt.pin()->line);
      }
    }
    return gsis;
  }

 private:
  template <typename F>
  void each_live(F call) const {
    for (const ModelGroup& group : groups) {
      for (const ModelInterrupt& interrupt : group.interrupts)
        if (interrupt.live()) call(group, interrupt);
    }
  }

  [[nodiscard]] static kvm::InterruptPath path(const ModelGroup& group, const ModelInterrupt& interrupt) {
    if (group.kind == GroupKind::kUnrouted) return kvm::InterruptPath::kSignalMsi;
    if (!interrupt.is_level()) return kvm::InterruptPath::kIrqfd;
    return group.kind == GroupKind::kPins ? kvm::InterruptPath::kIrqLine : kvm::InterruptPath::kResampledIrqfd;
  }

  [[nodiscard]] std::optional<Gsi> lowest_free(const std::optional<IdRange<Gsi>>& within) const {
    const std::set<Gsi> used = taken();
    for (std::uint32_t gsi = kPins; gsi < gsis_; ++gsi)
      if (!used.contains(Gsi(gsi)) && (!within || within->contains(Gsi(gsi)))) return Gsi(gsi);
    return std::nullopt;
  }
  // Whoever else is on the pin wants a level, and so does this one.
  [[nodiscard]] bool may_have(const ModelInterrupt& interrupt, const LegacyIrqConfig& wanted) const {
    if (wanted.line.value() >= kPins) return false;
    for (const ModelGroup& group : groups) {
      for (const ModelInterrupt& other : group.interrupts) {
        if (&other == &interrupt || other.pin() == nullptr || other.pin()->line != wanted.line) continue;
        if (wanted.trigger == TriggerMode::kEdge || !other.is_level()) return false;
      }
    }
    return true;
  }
  // Delivers what is due to an interrupt that can be.
  void settle(ModelGroup& group, ModelInterrupt& interrupt, bool was_live) {
    if (was_live || !interrupt.live()) return;
    const bool due = interrupt.is_level() ? interrupt.raised : interrupt.remembered;
    const bool unsure = std::exchange(interrupt.unsure, false) && !interrupt.is_level();
    interrupt.remembered = false;
    if (!due) return;
    std::set<Gsi>& out = unsure ? perhaps_fired : fired;
    if (group.kind == GroupKind::kUnrouted)
      sent.push_back(std::get<MsiConfig>(interrupt.config));
    else if (group.kind == GroupKind::kRouted)
      out.insert(*interrupt.gsi);
    else if (group.kind == GroupKind::kResampled || !interrupt.is_level())
      out.insert(interrupt.pin()->line);
  }

  std::uint32_t gsis_;
};

}  // namespace keel::fake
