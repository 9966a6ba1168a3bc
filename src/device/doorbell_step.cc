// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/device/doorbell_step.h"

#include <algorithm>
#include <optional>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "keel/base/mutex.h"
#include "keel/base/try.h"

namespace keel {

namespace {

std::shared_ptr<DevicePio> face_on(PioAddress /*bus*/, Device& device) {
  return device.pio();
}
std::shared_ptr<DeviceMmio> face_on(MmioAddress /*bus*/, Device& device) {
  return device.mmio();
}

std::vector<PioDoorbell> doorbells_in(PioRange range, const DoorbellSource& source) {
  return source.pio_doorbells(range);
}
std::vector<MmioDoorbell> doorbells_in(MmioRange range, const DoorbellSource& source) {
  return source.mmio_doorbells(range);
}

}  // namespace

// The parts that are alive, so that a range's new place finds its old one.
class DoorbellStep::Parts {
 public:
  template <typename A>
  class Part final : public AttachedPart {
   public:
    // `moved_from`: the range's old place, where it has one.
    Part(std::shared_ptr<Parts> parts, const Device& device, Range<A> range,
         std::optional<Range<A>> moved_from) noexcept
        : parts_(std::move(parts)), device_(device), range_(range), moved_from_(moved_from) {}
    ~Part() override { parts_->remove(*this); }

    // `serve_anew` makes a bell for the doorbell that had none.
    Result<void> serve(const DoorbellOn<A>& doorbell, const auto& serve_anew) {
      const Result<Range<A>> bytes = Range<A>::from_size(doorbell.address, doorbell.size);
      if (!bytes || !range_.contains(*bytes))
        return fail(ErrorCode::kOutOfBounds, "{} is not inside {}", doorbell, range_);
      KEEL_TRY(ServedDoorbell<A> served, parts_->at_old_place(*this, doorbell, serve_anew));
      bells_.push_back(std::move(served));
      return {};
    }

   private:
    friend class Parts;
    const std::shared_ptr<Parts> parts_;
    const Device& device_;  // compared, never used: it may be gone
    const Range<A> range_;
    const std::optional<Range<A>> moved_from_;
    std::vector<ServedDoorbell<A>> bells_;
  };

  template <typename A>
  void add(const Part<A>& part) {
    const Lock lock(mutex_);
    all<A>().push_back(&part);
  }
  template <typename A>
  void remove(const Part<A>& part) {
    const Lock lock(mutex_);
    std::erase(all<A>(), &part);
  }
  template <typename A>
  void list(std::vector<AnyDoorbell>& into) {
    const Lock lock(mutex_);
    std::vector<DoorbellOn<A>> doorbells;
    for (const Part<A>* part : all<A>())
      for (const ServedDoorbell<A>& bell : part->bells_) doorbells.push_back(bell.doorbell());
    std::ranges::sort(doorbells, {}, [](const DoorbellOn<A>& on) { return std::tuple(on.address, on.value, on.size); });
    into.insert(into.end(), doorbells.begin(), doorbells.end());
  }

 private:
  // The bell that the device has at this offset of the range's old place, or a new one.
  template <typename A>
  Result<ServedDoorbell<A>> at_old_place(const Part<A>& part, const DoorbellOn<A>& doorbell, const auto& serve_anew) {
    const Lock lock(mutex_);
    for (const Part<A>* old : all<A>()) {
      if (&old->device_ != &part.device_ || old->range_ != part.moved_from_) continue;
      for (const ServedDoorbell<A>& bell : old->bells_) {
        DoorbellOn<A> moved = bell.doorbell();
        moved.address = doorbell.address;
        const auto offset = bell.doorbell().address.offset_from(old->range_.first());
        if (moved == doorbell && offset == doorbell.address.offset_from(part.range_.first()))
          return bell.also_at(doorbell.address);
      }
    }
    return serve_anew(doorbell);
  }

  template <typename A>
  std::vector<const Part<A>*>& all() KEEL_REQUIRES(mutex_) {
    return std::get<std::vector<const Part<A>*>>(parts_);
  }

  Mutex mutex_;  // held while a part looks for another's bells, so that those stay
  std::tuple<std::vector<const Part<PioAddress>*>, std::vector<const Part<MmioAddress>*>> parts_
      KEEL_GUARDED_BY(mutex_);
};

DoorbellStep::DoorbellStep(const DoorbellServer& server) : server_(server), parts_(std::make_shared<Parts>()) {}
DoorbellStep::~DoorbellStep() = default;

std::vector<AnyDoorbell> DoorbellStep::doorbells() const {
  std::vector<AnyDoorbell> doorbells;
  parts_->list<PioAddress>(doorbells);
  parts_->list<MmioAddress>(doorbells);
  return doorbells;
}

Result<std::unique_ptr<AttachedPart>> DoorbellStep::take(const Resource& resource, Device& device,
                                                         const Resource* moved_from) {
  const auto on = [&]<typename A>(Range<A> range,
                                  std::optional<Range<A>> old) -> Result<std::unique_ptr<AttachedPart>> {
    const std::shared_ptr<DeviceOn<A>> face = face_on(A(), device);
    const auto* source = dynamic_cast<const DoorbellSource*>(face.get());
    if (source == nullptr) source = dynamic_cast<const DoorbellSource*>(&device);
    if (face == nullptr || source == nullptr) return nullptr;
    const std::vector<DoorbellOn<A>> doorbells = doorbells_in(range, *source);
    if (doorbells.empty()) return nullptr;
    EventLoop* const loop = source->doorbell_loop();
    auto part = std::make_unique<Parts::Part<A>>(parts_, device, range, old);
    const auto serve_anew = [&](const DoorbellOn<A>& doorbell) { return server_.serve(doorbell, face, loop); };
    for (const DoorbellOn<A>& doorbell : doorbells) KEEL_TRY_VOID(part->serve(doorbell, serve_anew));
    parts_->add(*part);
    return part;
  };
  if (const auto* pio = std::get_if<PioResource>(&resource)) {
    const auto* const old = moved_from == nullptr ? nullptr : std::get_if<PioResource>(moved_from);
    return on(pio->range, old == nullptr ? std::nullopt : std::optional(old->range));
  }
  if (const auto* mmio = std::get_if<MmioResource>(&resource)) {
    const auto* const old = moved_from == nullptr ? nullptr : std::get_if<MmioResource>(moved_from);
    return on(mmio->range, old == nullptr ? std::nullopt : std::optional(old->range));
  }
  return nullptr;
}

}  // namespace keel
