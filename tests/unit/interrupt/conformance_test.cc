// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/interrupt/interrupt_source_group.h"

#include "support/fake_interrupt_groups.h"
#include "support/interrupt_bypass_conformance.h"
#include "support/message_conformance.h"

namespace keel::testing {
namespace {

class FakeWorld {
 public:
  using Legacy = ResampledInterrupt;
  using Notifier = FakeNotifier;
  static constexpr std::uint32_t kGsis = 64;
  static constexpr int kPinCycles = 10'000;

  auto msi_group() { return controller_.msi_group(); }
  auto legacy_group() { return controller_.legacy_group(); }
  void program_pin(Gsi pin, std::uint8_t vector, TriggerMode mode) { controller_.program_pin(pin, vector, mode); }
  std::uint64_t gsis_taken() const { return controller_.gsis_taken(); }

  std::optional<std::uint8_t> take(const std::function<void()>& handler = {}) { return take_if_any(handler); }
  std::optional<std::uint8_t> take_if_any(const std::function<void()>& handler = {}) {
    const auto vector = controller_.acknowledge();
    if (!vector) {
      std::this_thread::yield();
      return std::nullopt;
    }
    if (handler) handler();
    controller_.end_of_interrupt(*vector);
    return vector;
  }

 private:
  FakeInterruptController controller_{kGsis};
};

INSTANTIATE_TYPED_TEST_SUITE_P(Fake, MessageConformance, FakeWorld);
INSTANTIATE_TYPED_TEST_SUITE_P(Fake, PinConformance, FakeWorld);
INSTANTIATE_TYPED_TEST_SUITE_P(Fake, InterruptBypass, FakeWorld);

}  // namespace
}  // namespace keel::testing
