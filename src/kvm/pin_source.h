// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "src/kvm/interrupt_core.h"
#include "src/kvm/pin_table.h"
#include "keel/base/event_fd.h"
#include "keel/base/event_loop.h"
#include "keel/base/mutex.h"
#include "keel/interrupt/interrupt.h"
#include "keel/interrupt/interrupt_config.h"

namespace keel::kvm {

// One device's end of a pin, whatever its path: an irqfd for edges, the one it was made with for levels.
//
// The device's wish (raised_, unsent_) is kept apart from what has been arranged (connected_), so that masking, moving
// to another pin and failing halfway leave the wish alone.
class PinSource : public std::enable_shared_from_this<PinSource> {
 public:
  PinSource(std::shared_ptr<InterruptCore> core, std::string owner, InterruptPath level_path, EventFd trigger,
            std::optional<EventFd> resample) noexcept
      : core_(std::move(core)),
        owner_(std::move(owner)),
        level_path_(level_path),
        trigger_(std::move(trigger)),
        resample_(std::move(resample)) {}

  Result<void> enable();
  Result<void> disable();
  // Before disable(), or go_on() (source_group.h).
  Result<void> hold_back();
  void go_on() noexcept;
  [[nodiscard]] bool is_enabled() const;
  Result<void> configure(const std::optional<LegacyIrqConfig>& config);
  [[nodiscard]] std::optional<LegacyIrqConfig> config() const;
  // For undoing configure() (source_group.h).
  struct Setup {
    std::optional<LegacyIrqConfig> config;
    bool unsent = false;
  };
  [[nodiscard]] Setup setup() const;
  void restore(const Setup& setup) noexcept;
  Result<void> mask();
  Result<void> unmask();
  [[nodiscard]] bool is_masked() const;
  [[nodiscard]] bool is_pending() const;
  Result<void> raise();
  Result<void> lower();
  Result<void> pulse();
  void retrigger_while(const std::shared_ptr<InterruptStatusChecker>& checker);
  [[nodiscard]] const EventFd& trigger_notifier() const noexcept { return trigger_; }
  // Precondition: levels are resampled.
  [[nodiscard]] const EventFd& take_resample_notifier();
  void retire() noexcept;
  void describe(InterruptHolding& into) const;

 private:
  [[nodiscard]] std::unexpected<Error> refuse(const char* why) const;
  // How the pin is driven. Precondition: configured.
  [[nodiscard]] InterruptPath path() const KEEL_REQUIRES(mutex_);
  // Whether the device's own level says nothing about what to deliver: it is an edge, or somebody else knows.
  [[nodiscard]] bool is_event() const KEEL_REQUIRES(mutex_);
  [[nodiscard]] bool wants_delivery() const KEEL_REQUIRES(mutex_);
  [[nodiscard]] bool pending() const KEEL_REQUIRES(mutex_);

  // connect() where all that is needed is there, disconnect() otherwise.
  Result<void> arrange() KEEL_REQUIRES(mutex_);
  Result<void> connect() KEEL_REQUIRES(mutex_);
  Result<void> connect_level_irqfd() KEEL_REQUIRES(mutex_);
  Result<void> disconnect() KEEL_REQUIRES(mutex_);
  // Makes the pin go up, or down, as far as this source has a say. Precondition: connected_.
  Result<void> send_up() KEEL_REQUIRES(mutex_);
  Result<void> send_down() KEEL_REQUIRES(mutex_);
  Result<void> raise_locked() KEEL_REQUIRES(mutex_);
  Result<void> lower_locked() KEEL_REQUIRES(mutex_);
  Result<void> configure_locked(const std::optional<LegacyIrqConfig>& config) KEEL_REQUIRES(mutex_);
  // Its two ways. Precondition: not connected. On error the configuration is the old one.
  Result<void> listen_as(const LegacyIrqConfig& config) KEEL_REQUIRES(mutex_);
  Result<void> move_to(const std::optional<LegacyIrqConfig>& config) KEEL_REQUIRES(mutex_);
  void resampled();

  const std::shared_ptr<InterruptCore> core_;
  const std::string owner_;
  const InterruptPath level_path_;      // kIrqLine or kResampledIrqfd
  PinUse use_ KEEL_GUARDED_BY(mutex_);  // left after the eventfds are closed, which takes any irqfd with them
  const EventFd trigger_;
  const std::optional<EventFd> resample_;  // where levels are resampled

  mutable Mutex mutex_;
  bool gone_ KEEL_GUARDED_BY(mutex_) = false;
  bool enabled_ KEEL_GUARDED_BY(mutex_) = false;
  bool masked_ KEEL_GUARDED_BY(mutex_) = false;
  bool held_back_ KEEL_GUARDED_BY(mutex_) = false;
  std::optional<LegacyIrqConfig> config_ KEEL_GUARDED_BY(mutex_);
  bool raised_ KEEL_GUARDED_BY(mutex_) = false;  // the device's level
  bool unsent_ KEEL_GUARDED_BY(mutex_) = false;  // raised while nothing was connected
  bool checked_ KEEL_GUARDED_BY(mutex_) = false;
  std::weak_ptr<InterruptStatusChecker> checker_ KEEL_GUARDED_BY(mutex_);
  bool resample_taken_ KEEL_GUARDED_BY(mutex_) = false;

  bool connected_ KEEL_GUARDED_BY(mutex_) = false;
  bool line_up_ KEEL_GUARDED_BY(mutex_) = false;  // of kIrqLine
  Watch resample_watch_ KEEL_GUARDED_BY(mutex_);
};

}  // namespace keel::kvm
