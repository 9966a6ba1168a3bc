// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/devices/virtio_net.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "keel/base/little_endian.h"
#include "keel/base/try.h"
#include "keel/bus/handler_scope.h"

namespace keel {
namespace {

namespace spec = virtio_net;

// Frames moved for one queue before the loop looks after the others.
constexpr int kBurst = 256;

std::uint16_t pairs_of(const NetProperties& properties) {
  return std::clamp<std::uint16_t>(properties.queue_pairs, 1, VirtioNet::kMaxQueuePairs);
}

// What a segmentation offload of that type needs negotiated; nothing for a type that there is not.
std::optional<std::uint64_t> host_feature_of(std::uint8_t gso_type) {
  const std::uint64_t ecn = (gso_type & spec::kGsoEcn) != 0 ? spec::kFeatureHostEcn : 0;
  switch (gso_type & ~spec::kGsoEcn) {
    case spec::kGsoTcp4: return ecn | spec::kFeatureHostTso4;
    case spec::kGsoTcp6: return ecn | spec::kFeatureHostTso6;
    default: return std::nullopt;
  }
}

std::optional<std::uint64_t> guest_feature_of(std::uint8_t gso_type) {
  const std::uint64_t ecn = (gso_type & spec::kGsoEcn) != 0 ? spec::kFeatureGuestEcn : 0;
  switch (gso_type & ~spec::kGsoEcn) {
    case spec::kGsoTcp4: return ecn | spec::kFeatureGuestTso4;
    case spec::kGsoTcp6: return ecn | spec::kFeatureGuestTso6;
    default: return std::nullopt;
  }
}

}  // namespace

Result<std::shared_ptr<VirtioNet>> VirtioNet::create(Parts parts) {
  if (!parts.network) return fail(ErrorCode::kInvalidArgument, "a network device needs a network");
  if (parts.mac.is_multicast())
    return fail(ErrorCode::kInvalidArgument, "{} is the MAC address of a group; a device has one of its own",
                parts.mac);
  return std::shared_ptr<VirtioNet>(new VirtioNet(std::move(parts)));
}

VirtioNet::VirtioNet(Parts parts)
    : properties_(parts.network->properties()),
      mac_(parts.mac),
      pairs_(pairs_of(properties_)),
      queue_sizes_(pairs_ == 1 ? 2u : 2u * pairs_ + 1, kQueueSize),
      loop_(parts.loop),
      network_(std::move(parts.network)),
      receivers_(pairs_) {
  for (Receiver& receiver : receivers_) receiver.frame.resize(spec::kLargestFrame);
}

VirtioNet::~VirtioNet() {
  reset();
  network_.reset();  // whose callbacks use the rest
}

std::uint64_t VirtioNet::features() const noexcept {
  std::uint64_t offered = spec::kFeatureMtu | spec::kFeatureMac | spec::kFeatureMergeableBuffers | spec::kFeatureStatus;
  offered |= properties_.offloads & (spec::kGuestOffloads | spec::kHostOffloads);
  return pairs_ == 1 ? offered : offered | spec::kFeatureControlQueue | spec::kFeatureMultiQueue;
}

// 5.1.3.1.
bool VirtioNet::accepts(std::uint64_t features) const noexcept {
  const auto needs = [&](std::uint64_t feature, std::uint64_t any_of) {
    return (features & feature) == 0 || (features & any_of) != 0;
  };
  return needs(spec::kFeatureGuestTso4 | spec::kFeatureGuestTso6, spec::kFeatureGuestChecksum) &&
         needs(spec::kFeatureGuestEcn, spec::kFeatureGuestTso4 | spec::kFeatureGuestTso6) &&
         needs(spec::kFeatureHostTso4 | spec::kFeatureHostTso6, spec::kFeatureChecksum) &&
         needs(spec::kFeatureHostEcn, spec::kFeatureHostTso4 | spec::kFeatureHostTso6) &&
         needs(spec::kFeatureMultiQueue, spec::kFeatureControlQueue);
}

void VirtioNet::read_config(std::uint64_t offset, std::span<std::uint8_t> data) const {
  std::array<std::uint8_t, spec::kConfigSize> all = {};
  std::ranges::copy(mac_.octets, all.begin() + spec::kConfigMac);
  {
    const Lock lock(mutex_);
    store_le_at<std::uint16_t>(all, spec::kConfigStatus, link_ == Link::kUp ? spec::kStatusLinkUp : 0);
  }
  store_le_at<std::uint16_t>(all, spec::kConfigQueuePairs, pairs_);
  store_le_at<std::uint16_t>(all, spec::kConfigMtu, properties_.mtu);
  std::ranges::fill(data, std::uint8_t{0});
  if (offset >= all.size()) return;
  const auto there = std::span(all).subspan(offset);
  std::ranges::copy(there.first(std::min(there.size(), data.size())), data.begin());
}

std::uint32_t VirtioNet::config_generation() const {
  const Lock lock(mutex_);
  return generation_;
}

Result<void> VirtioNet::activate(VirtioActivation activation) {
  const Lock lock(mutex_);
  KEEL_TRY_VOID(network_->start(loop_, activation.features & spec::kGuestOffloads, *this));
  features_ = activation.features;
  signals_ = activation.signals;
  queues_ = std::move(activation.queues);
  used_pairs_ = 1;
  // The driver's buffers are asked for when a frame finds none.
  for (std::size_t i = 0; i < queues_.size() && i < 2u * pairs_; i += 2)
    if (queues_[i]) queues_[i]->suppress_notifications();
  return {};
}

void VirtioNet::reset() noexcept {
  const Lock lock(mutex_);
  if (signals_ == nullptr) return;
  network_->stop();
  for (Receiver& receiver : receivers_) {
    receiver.size = 0;
    receiver.drop_buffers();
  }
  queues_.clear();
  features_ = 0;
  signals_ = nullptr;
}

void VirtioNet::reset_queue(std::uint16_t index) noexcept {
  const Lock lock(mutex_);
  if (index % 2 == 0 && index / 2u < receivers_.size()) receivers_[index / 2u].drop_buffers();
  queues_[index].reset();
}

VirtQueue* VirtioNet::queue(std::size_t index) const noexcept {
  return index < queues_.size() ? queues_[index].get() : nullptr;
}

// 5.1.2: behind the pairs that were negotiated.
std::size_t VirtioNet::control_queue() const noexcept {
  return (features_ & spec::kFeatureMultiQueue) != 0 ? 2u * pairs_ : 2;
}

void VirtioNet::notify(std::uint16_t index) {
  const Lock lock(mutex_);
  if (signals_ == nullptr) return;
  if (index == control_queue() && (features_ & spec::kFeatureControlQueue) != 0) {
    if (VirtQueue* const commands = queue(index)) control(*commands);
    return;
  }
  // Frames to send are taken from all pairs: a driver that turns one off may still use it for a moment, and with the
  // event index does not notify again of what was left there.
  const auto pair = static_cast<std::uint16_t>(index / 2);
  if (index % 2 == 1)
    transmit(pair);
  else if (pair < used_pairs_)
    pump(pair);
}

void VirtioNet::receivable(std::uint16_t pair) {
  const HandlerScope scope;
  const Lock lock(mutex_);
  if (signals_ != nullptr && pair < used_pairs_) pump(pair);
}

void VirtioNet::sendable(std::uint16_t pair) {
  const HandlerScope scope;
  const Lock lock(mutex_);
  if (signals_ != nullptr) transmit(pair);
}

void VirtioNet::link_changed(Link link) {
  const HandlerScope scope;
  const Lock lock(mutex_);
  if (link_ == link) return;
  link_ = link;
  ++generation_;
  if (signals_ != nullptr && (features_ & spec::kFeatureStatus) != 0) signals_->config_changed();
}

void VirtioNet::transmit(std::uint16_t pair) {
  VirtQueue* const frames = queue(2u * pair + 1);
  if (frames == nullptr) return;
  frames->suppress_notifications();
  for (int left = kBurst; left > 0;) {
    auto chain = frames->pop();
    if (!chain) {
      if (!frames->request_notifications()) break;
      continue;
    }
    if (transmit_one(pair, *chain) == NetBackend::Sent::kFull) {
      frames->put_back(std::move(*chain));
      break;  // sendable() goes on
    }
    frames->complete(std::move(*chain), 0);
    if (--left == 0) signals_->call_again(frames->index());
  }
  frames->signal();
}

NetBackend::Sent VirtioNet::transmit_one(std::uint16_t pair, DescriptorChain& chain) {
  const auto header = chain.readable().read_object<spec::Header>();
  if (!header || !may_send(*header, chain.readable().size())) return NetBackend::Sent::kSent;
  return network_->send(pair, *header, chain.readable().segments());
}

// 5.1.6.2. The header is a copy: the guest cannot change it any more.
bool VirtioNet::may_send(const spec::Header& header, std::uint64_t size) const {
  if (size < spec::kEthernetHeader || size > spec::kLargestFrame) return false;
  const bool partial = (header.flags & spec::kFlagNeedsChecksum) != 0;
  if (partial) {
    if ((features_ & spec::kFeatureChecksum) == 0) return false;
    if (std::uint64_t{header.checksum_start} + header.checksum_offset + 2 > size) return false;
  }
  if (header.gso_type == spec::kGsoNone) return true;
  const auto needed = host_feature_of(header.gso_type);
  return needed && (features_ & *needed) == *needed && partial && header.gso_size != 0;
}

void VirtioNet::pump(std::uint16_t pair) {
  VirtQueue* const buffers = queue(2u * pair);
  if (buffers == nullptr) return;
  Receiver& receiver = receivers_[pair];
  for (int left = kBurst;; --left) {
    if (receiver.size == 0) receiver.size = network_->receive(pair, receiver.header, receiver.frame);
    if (receiver.size == 0) break;  // receivable() goes on
    if (left == 0) {
      signals_->call_again(buffers->index());
      break;
    }
    if (!may_receive(receiver.header) || deliver(*buffers, receiver) == Delivered::kYes) {
      receiver.size = 0;
    } else if (!buffers->request_notifications()) {
      break;  // the driver says when there are more
    }
    buffers->suppress_notifications();
  }
  buffers->signal();
}

// The network may have had the frame from a time when other offloads were on.
bool VirtioNet::may_receive(spec::Header& header) const {
  const bool checksums = (features_ & spec::kFeatureGuestChecksum) != 0;
  if (!checksums) header.flags &= static_cast<std::uint8_t>(~spec::kFlagDataValid);
  if (!checksums && (header.flags & spec::kFlagNeedsChecksum) != 0) return false;
  if (header.gso_type == spec::kGsoNone) return true;
  const auto needed = guest_feature_of(header.gso_type);
  return needed && (features_ & *needed) == *needed;
}

// 5.1.6.4. Buffers that do not hold the frame together are kept until more have come. One that all the buffers of the
// queue, or without merging the one buffer that there may be, cannot hold is lost.
VirtioNet::Delivered VirtioNet::deliver(VirtQueue& queue, Receiver& receiver) {
  const std::size_t most = (features_ & spec::kFeatureMergeableBuffers) != 0 ? queue.size() : 1;
  const std::size_t needed = sizeof(spec::Header) + receiver.size;
  while (receiver.room < needed) {
    if (receiver.buffers.size() == most) return Delivered::kYes;
    auto chain = queue.pop();
    if (!chain) return Delivered::kNoBuffers;
    if (chain->writable().size() < sizeof(spec::Header)) {
      queue.mark_broken("a receive buffer has no room for a header");
      return Delivered::kNoBuffers;
    }
    receiver.room += chain->writable().size();
    receiver.buffers.push_back(std::move(*chain));
  }
  fill(queue, receiver);
  return Delivered::kYes;
}

// Hands back the buffers that the frame needs, all at once (5.1.6.4.1), and keeps those that it does not.
void VirtioNet::fill(VirtQueue& queue, Receiver& receiver) {
  std::uint16_t count = 0;
  for (std::size_t room = 0; room < sizeof(spec::Header) + receiver.size; ++count)
    room += receiver.buffers[count].writable().size();
  receiver.header.buffers = count;
  std::span<const std::uint8_t> rest(receiver.frame.data(), receiver.size);
  for (std::uint16_t i = 0; i < count; ++i) {
    WritableBuffers& buffer = receiver.buffers[i].writable();
    const std::uint64_t room = buffer.size();
    if (i == 0) buffer.write_object(receiver.header);
    rest = rest.subspan(buffer.write_some(rest));
    const auto written = static_cast<std::uint32_t>(room - buffer.size());
    receiver.room -= room;
    queue.add_used(std::move(receiver.buffers[i]), written);
  }
  queue.publish_used();
  receiver.buffers.erase(receiver.buffers.begin(), receiver.buffers.begin() + count);
}

void VirtioNet::control(VirtQueue& commands) {
  commands.drain([&](DescriptorChain chain) KEEL_NO_THREAD_SAFETY_ANALYSIS {
    const auto acknowledgement = chain.writable().take_last_byte();
    if (!acknowledgement) return commands.mark_broken("a network command has no room for its acknowledgement");
    **acknowledgement = obey(chain.readable());
    commands.complete(std::move(chain), 1);
  });
}

std::uint8_t VirtioNet::obey(ReadableBuffers& command) {
  const auto header = command.read_object<spec::ControlHeader>();
  if (!header || header->type != spec::kControlMultiQueue || header->command != spec::kMultiQueuePairsSet)
    return spec::kAckError;
  if ((features_ & spec::kFeatureMultiQueue) == 0) return spec::kAckError;
  std::array<std::uint8_t, 2> bytes = {};
  if (!command.read(bytes)) return spec::kAckError;
  const auto count = static_cast<std::uint16_t>(load_le(bytes));
  if (count < 1 || count > pairs_ || !network_->use_queue_pairs(count)) return spec::kAckError;
  used_pairs_ = count;
  for (std::uint16_t pair = 0; pair < count; ++pair) pump(pair);
  return spec::kAckOk;
}

}  // namespace keel
