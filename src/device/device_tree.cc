// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "src/device/device_tree.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "keel/base/check.h"
#include "keel/base/try.h"

namespace keel::detail {

namespace {

std::string_view doing(NodeState state) {
  switch (state) {
    case NodeState::kAttaching: return "being attached";
    case NodeState::kAtRest: return "attached";
    case NodeState::kMoving: return "being moved";
    case NodeState::kDetaching: return "being detached";
  }
  return "attached";
}

// A quote or a control character; bytes above ASCII are somebody's language.
bool breaks_a_message(char c) {
  return c == '"' || (c >= 0 && c < ' ') || c == '\x7f';
}

// `1 "com1"`
std::string label(InstanceId id, std::string_view path) {
  return fmt::format("{} \"{}\"", id, path);
}

std::string label(InstanceId id, const Node& node) {
  return fmt::format("{} ({})", label(id, node.path), node.type);
}

// Where on A's bus a resource is, trapped or not.
template <typename A>
std::optional<Range<A>> range_in(const Resource& resource) {
  if constexpr (std::is_same_v<A, PioAddress>) {
    if (const auto* pio = std::get_if<PioResource>(&resource)) return pio->range;
  } else {
    if (const auto* mmio = std::get_if<MmioResource>(&resource)) return mmio->range;
    if (const auto* backed = std::get_if<BackedMmioResource>(&resource)) return backed->range;
  }
  return std::nullopt;
}

// In ascending order.
std::vector<InstanceId> ids_of(const std::map<std::string, InstanceId, std::less<>>& names) {
  std::vector<InstanceId> ids;
  for (const auto& [name, id] : names) ids.push_back(id);
  std::ranges::sort(ids);
  return ids;
}

}  // namespace

// Attaching.

Result<std::string> DeviceTree::place_for(const Node& candidate) const {
  if (closed_) {
    return fail(ErrorCode::kInvalidState, "\"{}\" cannot be attached: the device manager is ending", candidate.name);
  }
  if (candidate.name.empty()) {
    return fail(ErrorCode::kInvalidArgument, "a {} cannot be attached without a name; give it one that no sibling has",
                candidate.type);
  }
  if (candidate.name.find('/') != std::string::npos) {
    return fail(ErrorCode::kInvalidArgument,
                "\"{}\" is no name for a {}: '/' stands between the names of a path; say the parent by its id",
                candidate.name, candidate.type);
  }
  if (const auto odd = std::ranges::find_if(candidate.name, breaks_a_message); odd != candidate.name.end()) {
    return fail(ErrorCode::kInvalidArgument,
                "{:?} is no name for a {}: names stand between quotes in messages, one to a line; leave out {:?}",
                candidate.name, candidate.type, *odd);
  }
  KEEL_TRY(std::string path, path_of(candidate));
  const Names& names = siblings(candidate.parent);
  if (const auto taken = names.find(candidate.name); taken != names.end()) {
    return fail(ErrorCode::kAlreadyExists, "\"{}\": the name is taken by {}; choose another, or detach that first",
                path, label(taken->second, node(taken->second)));
  }
  const auto known = known_.find(candidate.device.get());
  if (known == known_.end()) return path;
  const std::string known_label = label(known->second.id, known->second.path);
  if (known->second.leaving) {
    return fail(ErrorCode::kInvalidState,
                "\"{}\": this {} was {} and is not released yet; wait for its Detachment, or attach another one", path,
                candidate.type, known_label);
  }
  return fail(ErrorCode::kAlreadyExists, "\"{}\": this {} is attached already, as {}; detach it first, or make another",
              path, candidate.type, known_label);
}

Result<std::string> DeviceTree::path_of(const Node& candidate) const {
  if (!candidate.parent) return candidate.name;
  const auto found = nodes_.find(*candidate.parent);
  if (found == nodes_.end() || found->second.role != DeviceRole::kBus) return std::unexpected(no_bus(candidate));
  const Node& parent = found->second;
  if (parent.state == NodeState::kAttaching || parent.state == NodeState::kDetaching) {
    return fail(ErrorCode::kInvalidState, "\"{}\": its parent {} is {}; {}", candidate.name,
                label(*candidate.parent, parent), doing(parent.state),
                parent.state == NodeState::kAttaching ? "attach it when that is done" : "choose another");
  }
  return fmt::format("{}/{}", parent.path, candidate.name);
}

Error DeviceTree::no_bus(const Node& candidate) const {
  std::vector<std::string> buses;
  for (const auto& [id, node] : nodes_) {
    if (node.role == DeviceRole::kBus) buses.push_back(label(id, node.path));
  }
  const std::string choice = buses.empty() ? std::string("this machine has no bus; attach it without a parent")
                                           : fmt::format("the buses are: {}", fmt::join(buses, ", "));
  const auto found = nodes_.find(*candidate.parent);
  if (found == nodes_.end()) {
    return {ErrorCode::kNotFound,
            fmt::format("\"{}\": its parent {} does not exist; {}", candidate.name, *candidate.parent, choice)};
  }
  return {ErrorCode::kInvalidArgument, fmt::format("\"{}\": its parent {} is no bus; {}", candidate.name,
                                                   label(*candidate.parent, found->second), choice)};
}

std::uint64_t DeviceTree::insert(InstanceId id, Node node) {
  node.serial = ++last_serial_;
  node.state = NodeState::kAttaching;
  known_.emplace(node.device.get(), Known{id, node.path});
  Names& names = node.parent ? nodes_.at(*node.parent).children : top_;
  names.emplace(node.name, id);
  const bool added = nodes_.emplace(id, std::move(node)).second;
  check(added, "an instance id was given to two devices");
  return last_serial_;
}

void DeviceTree::settle(InstanceId id, Belongings belongings) {
  Node& node = nodes_.at(id);
  node.resources = belongings.resources();
  node.belongings = std::move(belongings);
  node.state = NodeState::kAtRest;
}

// Detaching.

Result<const Node*> DeviceTree::existing(InstanceId id) const {
  const auto found = nodes_.find(id);
  if (found != nodes_.end()) return &found->second;
  for (const auto& [device, known] : known_) {
    if (known.id == id) {
      return fail(ErrorCode::kNotFound, "device {} is detached already, and waits for the last I/O inside it to end",
                  label(id, known.path));
    }
  }
  return fail(ErrorCode::kNotFound, "no device has the id {} (was it detached twice?)", id);
}

Result<void> DeviceTree::at_rest(InstanceId id, std::string_view wanted) const {
  const Node& which = node(id);
  if (which.state == NodeState::kAtRest) return {};
  return fail(ErrorCode::kInvalidState, "device {} cannot be {}: it is {}; try again when that is done",
              label(id, which), wanted, doing(which.state));
}

std::vector<InstanceId> DeviceTree::subtree(InstanceId root) const {
  // Parents before children, then turned around.
  std::vector<InstanceId> ids = {root};
  for (std::size_t i = 0; i < ids.size(); ++i) {
    for (const auto& [name, child] : node(ids[i]).children) ids.push_back(child);
  }
  std::ranges::reverse(ids);
  return ids;
}

Result<std::vector<Leaving>> DeviceTree::start_detach(Target target, Children children) {
  KEEL_TRY(const Node* const root, existing(target.id));
  if (target.serial && *target.serial != root->serial) {
    return fail(ErrorCode::kNotFound, "the device of this handle is detached already; its id is now that of {}",
                label(target.id, *root));
  }
  if (children == Children::kRefuse && !root->children.empty()) {
    std::vector<std::string> names;
    for (const auto& [name, child] : root->children) names.push_back(label(child, node(child)));
    return fail(ErrorCode::kInvalidState,
                "bus {} cannot be detached: it carries {}; detach those first, or ask for "
                "Children::kRemove",
                label(target.id, *root), fmt::join(names, ", "));
  }
  const std::vector<InstanceId> ids = subtree(target.id);
  for (const InstanceId id : ids) KEEL_TRY_VOID(at_rest(id, "detached"));
  std::vector<Leaving> leaving;
  for (const InstanceId id : ids) {
    Node& node = nodes_.at(id);
    node.state = NodeState::kDetaching;
    leaving.push_back({id, std::move(node.belongings)});
  }
  return leaving;
}

void DeviceTree::cancel_detach(std::vector<Leaving> leaving) {
  for (Leaving& one : leaving) settle(one.id, std::move(one.belongings));
}

void DeviceTree::remove(InstanceId id) {
  const Node& gone = node(id);
  known_.at(gone.device.get()).leaving = true;
  Names& names = gone.parent ? nodes_.at(*gone.parent).children : top_;
  names.erase(gone.name);
  nodes_.erase(id);
}

// Moving.

Result<Belongings> DeviceTree::start_move(InstanceId id, const Resource& range) {
  KEEL_TRY(const Node* const found, existing(id));
  KEEL_TRY_VOID(at_rest(id, "moved"));
  if (!found->resources.contains(range)) {
    for (const BackedMmioResource& backed : found->resources.backed_mmio()) {
      if (Resource(MmioResource{backed.range}) == range) {
        return fail(ErrorCode::kUnsupported, "device {}: {} stays where it is; detach the device to move it",
                    label(id, *found), to_string(backed));
      }
    }
    return fail(ErrorCode::kNotFound, "device {} has no {} to move; it has: {}", label(id, *found), to_string(range),
                to_string(found->resources));
  }
  Node& node = nodes_.at(id);
  node.state = NodeState::kMoving;
  return std::move(node.belongings);
}

// Looking.

Result<const Node*> DeviceTree::attached(InstanceId id) const {
  KEEL_TRY(const Node* const found, existing(id));
  if (found->state != NodeState::kAttaching) return found;
  return fail(ErrorCode::kNotFound, "device {} is still being attached", label(id, *found));
}

Result<InstanceId> DeviceTree::find(std::string_view path) const {
  std::optional<InstanceId> at;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view name = path.substr(begin, end - begin);
    const Names& names = siblings(at);
    const auto next = names.find(name);
    if (next == names.end() || node(next->second).state == NodeState::kAttaching)
      return std::unexpected(no_such_path(path, at, name));
    at = next->second;
    begin = end + 1;
  }
  return *at;
}

Error DeviceTree::no_such_path(std::string_view path, std::optional<InstanceId> at, std::string_view name) const {
  std::vector<std::string> there;
  for (const auto& [other, id] : siblings(at)) {
    if (node(id).state != NodeState::kAttaching) there.push_back(fmt::format("\"{}\"", other));
  }
  const std::string where = at ? fmt::format("\"{}\"", node(*at).path) : std::string("the machine");
  const std::string what = there.empty() ? std::string("no devices") : fmt::format("{}", fmt::join(there, ", "));
  return {ErrorCode::kNotFound,
          fmt::format("no device \"{}\": there is no \"{}\" in {}, which has {}", path, name, where, what)};
}

template <typename A>
Result<AddressHolder> DeviceTree::holder(A address) const {
  // What is nearest below and above, for the error.
  std::optional<Range<A>> below;
  std::optional<Range<A>> above;
  std::string_view below_path;
  std::string_view above_path;
  for (const auto& [id, node] : nodes_) {
    if (node.state == NodeState::kAttaching) continue;
    for (const Resource& resource : node.resources.all()) {
      const std::optional<Range<A>> range = range_in<A>(resource);
      if (!range) continue;
      if (range->contains(address)) return AddressHolder{id, node.path, node.device, resource};
      if (range->last() < address && (!below || below->last() < range->last())) {
        below = range;
        below_path = node.path;
      }
      if (address < range->first() && (!above || range->first() < above->first())) {
        above = range;
        above_path = node.path;
      }
    }
  }
  return fail(ErrorCode::kNotFound, "{} {}: no device is there; below it {}, above it {}", BusTraits<A>::kName, address,
              below ? fmt::format("{} \"{}\"", *below, below_path) : std::string("nothing"),
              above ? fmt::format("{} \"{}\"", *above, above_path) : std::string("nothing"));
}

template Result<AddressHolder> DeviceTree::holder(PioAddress address) const;
template Result<AddressHolder> DeviceTree::holder(MmioAddress address) const;

PlatformView DeviceTree::view() const {
  PlatformView view;
  view_below(top_, 0, view);
  return view;
}

void DeviceTree::view_below(const Names& names, std::size_t depth, PlatformView& view) const {
  for (const InstanceId id : ids_of(names)) {
    const Node& one = node(id);
    if (one.state == NodeState::kAttaching) continue;
    view.devices.push_back({.id = id,
                            .parent = one.parent,
                            .name = one.name,
                            .path = one.path,
                            .type = one.type,
                            .role = one.role,
                            .depth = depth,
                            .resources = one.resources});
    view_below(one.children, depth + 1, view);
  }
}

std::vector<InstanceId> DeviceTree::latest_first() const {
  std::vector<InstanceId> ids;
  for (const auto& [name, id] : top_) {
    if (node(id).state != NodeState::kAttaching) ids.push_back(id);
  }
  std::ranges::sort(ids, [this](InstanceId a, InstanceId b) { return node(a).serial > node(b).serial; });
  return ids;
}

}  // namespace keel::detail
