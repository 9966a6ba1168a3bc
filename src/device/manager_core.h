// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "src/device/belongings.h"
#include "src/device/device_tree.h"
#include "src/device/reclaimer.h"
#include "keel/base/mutex.h"
#include "keel/bus/io_manager.h"
#include "keel/device/device_handle.h"
#include "keel/device/device_manager.h"
#include "keel/device/machine_hooks.h"
#include "keel/resource/system_allocator.h"

namespace keel::detail {

// What DeviceManager is made of, shared with the handles it gave out. A flow (attach, move, detach) marks its nodes
// under the lock, works on what they own outside of it, and puts them back or takes them out under the lock again.
class ManagerCore {
 public:
  ManagerCore(SystemAllocator<Mutex> spaces, IoManager& io, MachineHooks hooks)
      : spaces_(std::move(spaces)), io_(io), hooks_(std::move(hooks)) {}
  ManagerCore(const ManagerCore&) = delete;
  ManagerCore& operator=(const ManagerCore&) = delete;

  // Whether the device was told its place.
  enum class Assigned : std::uint8_t { kNo, kYes };
  // An attach that is not done: what it has so far, of which node.
  struct Begun {
    Belongings belongings;
    std::uint64_t serial;
  };

  // Allocates, and adds a node that is being attached.
  [[nodiscard]] Result<Begun> begin(std::shared_ptr<Device> device, AttachRequest request);
  // These change `belongings` alone, and on failure nothing.
  [[nodiscard]] Result<void> assign(Belongings& belongings) const;
  [[nodiscard]] Result<void> publish(Belongings& belongings) const;
  // The node is attached from now on.
  void settle(Belongings belongings);
  // The node is no more.
  void abandon(Belongings belongings, Assigned assigned);

  [[nodiscard]] Result<Detachment> detach(DeviceTree::Target target, Children children);
  // Detaches it with its children, now or as soon as it can leave.
  void drop(DeviceTree::Target target) noexcept;
  template <typename A>
  [[nodiscard]] Result<Completion> move(InstanceId id, Range<A> range, A to);
  void detach_all();

  // function(const DeviceTree&) under the lock.
  template <typename F>
  auto with_tree(F&& function) const {
    const Lock lock(mutex_);
    return std::forward<F>(function)(std::as_const(tree_));
  }
  [[nodiscard]] const SystemAllocator<Mutex>& spaces() const noexcept { return spaces_; }
  [[nodiscard]] const IoManager& io() const noexcept { return io_; }

 private:
  [[nodiscard]] Result<void> step(std::string_view what) const;
  [[nodiscard]] Result<std::vector<std::unique_ptr<LevelInterrupt>>> connect_lines(const Belongings& belongings) const;
  [[nodiscard]] Result<std::vector<TakenPart>> take_parts(const Belongings& belongings) const;
  [[nodiscard]] Result<TakenPart> map_memory(const Belongings& belongings, const BackedMmioResource& where,
                                             std::size_t index) const;
  [[nodiscard]] Result<void> take_steps(const Belongings& belongings, const Resource& resource,
                                        std::vector<TakenPart>& parts, const Resource* moved_from = nullptr) const;
  [[nodiscard]] Result<void> register_ranges(const Belongings& belongings) const;
  [[nodiscard]] Result<Completion> unregister_ranges(const std::vector<Leaving>& leaving) const;
  template <typename A>
  [[nodiscard]] Result<Completion> move_owned(Belongings& belongings, Range<A> old, Range<A> now) const;
  [[nodiscard]] Result<Detachment> take_out(std::vector<Leaving> leaving);
  // At the end of every flow: detaches what could not leave before.
  void detach_dropped() noexcept;
  // Tells the device and gives all back. The node has been removed.
  void release(Belongings belongings, Assigned assigned);

  SystemAllocator<Mutex> spaces_;
  IoManager& io_;
  const MachineHooks hooks_;
  mutable Mutex mutex_;
  DeviceTree tree_ KEEL_GUARDED_BY(mutex_);
  std::vector<DeviceTree::Target> dropped_ KEEL_GUARDED_BY(mutex_);  // and not detached yet
  Reclaimer reclaimer_;                                              // last: its thread uses all of the above
};

}  // namespace keel::detail
