// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "src/device/belongings.h"
#include "keel/base/address.h"
#include "keel/base/error.h"
#include "keel/device/device.h"
#include "keel/device/device_handle.h"
#include "keel/device/device_manager.h"
#include "keel/device/platform_view.h"

namespace keel::detail {

// Which flow a node is in. Only a node at rest may start one.
enum class NodeState : std::uint8_t { kAttaching, kAtRest, kMoving, kDetaching };

struct Node {
  std::string name;
  std::string path = {};
  std::string type = {};
  DeviceRole role = DeviceRole::kDevice;
  std::optional<InstanceId> parent = std::nullopt;
  std::map<std::string, InstanceId, std::less<>> children = {};
  std::uint64_t serial = 0;  // of the attach; never used again
  NodeState state = NodeState::kAttaching;
  std::shared_ptr<Device> device = nullptr;
  DeviceResources resources = {};
  Belongings belongings = {};  // empty while a flow has them
};

// A node that a detach has taken out.
struct Leaving {
  InstanceId id;
  Belongings belongings;
};

// Who is attached where, under which name, and in the middle of what. Judges and explains every request that concerns
// the tree alone. Not thread-safe; calls nobody.
class DeviceTree {
 public:
  // Which device a call is about. With a serial, of that attach alone.
  struct Target {
    InstanceId id;
    std::optional<std::uint64_t> serial = std::nullopt;
  };

  // The path that a node with this name, type, role, parent and device would have.
  [[nodiscard]] Result<std::string> place_for(const Node& candidate) const;
  // Adds it in kAttaching; place_for() must not object. The result is its serial.
  std::uint64_t insert(InstanceId id, Node node);
  // The end of an attach or a move, or of a detach that failed.
  void settle(InstanceId id, Belongings belongings);

  // The device and all below it, children before parents, each in kDetaching from now on.
  [[nodiscard]] Result<std::vector<Leaving>> start_detach(Target target, Children children);
  void cancel_detach(std::vector<Leaving> leaving);
  // Takes nodes that are not at rest out of the tree. Their devices are remembered as leaving until forget().
  void remove(InstanceId id);
  // The device may be attached again.
  void forget(const Device& device) { known_.erase(&device); }

  // kAtRest to kMoving, of a device that holds `range` and not with memory behind it.
  [[nodiscard]] Result<Belongings> start_move(InstanceId id, const Resource& range);

  // The node, unless it is being attached.
  [[nodiscard]] Result<const Node*> attached(InstanceId id) const;
  [[nodiscard]] Result<InstanceId> find(std::string_view path) const;
  // The attached device that holds it.
  template <typename A>
  [[nodiscard]] Result<AddressHolder> holder(A address) const;
  [[nodiscard]] PlatformView view() const;
  // Attached, at the top of the tree, in the order to detach them in.
  [[nodiscard]] std::vector<InstanceId> latest_first() const;
  // Nothing can be attached any more.
  void close() noexcept { closed_ = true; }

 private:
  // A device that is somewhere in the tree, or not yet released.
  struct Known {
    InstanceId id;
    std::string path;
    bool leaving = false;
  };
  using Names = std::map<std::string, InstanceId, std::less<>>;

  [[nodiscard]] const Node& node(InstanceId id) const { return nodes_.at(id); }
  [[nodiscard]] const Names& siblings(std::optional<InstanceId> parent) const {
    return parent ? node(*parent).children : top_;
  }
  [[nodiscard]] Result<const Node*> existing(InstanceId id) const;
  [[nodiscard]] Result<void> at_rest(InstanceId id, std::string_view wanted) const;
  [[nodiscard]] Result<std::string> path_of(const Node& candidate) const;
  [[nodiscard]] Error no_bus(const Node& candidate) const;
  [[nodiscard]] Error no_such_path(std::string_view path, std::optional<InstanceId> at, std::string_view name) const;
  [[nodiscard]] std::vector<InstanceId> subtree(InstanceId root) const;
  void view_below(const Names& names, std::size_t depth, PlatformView& view) const;

  std::map<InstanceId, Node> nodes_;
  Names top_;
  std::unordered_map<const Device*, Known> known_;
  std::uint64_t last_serial_ = 0;
  bool closed_ = false;
};

}  // namespace keel::detail
