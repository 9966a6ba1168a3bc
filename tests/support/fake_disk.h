// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "keel/base/check.h"
#include "keel/base/event_fd.h"
#include "keel/bus/handler_scope.h"
#include "keel/devices/block_backend.h"

namespace keel::testing {

// A disk in memory that does as it is told: at once, or when the test says so.
class FakeDisk final : public BlockBackend {
 public:
  struct Request {
    BlockRequest request;
    std::vector<iovec> pieces;
    bool abandoned = false;
  };

  explicit FakeDisk(DiskProperties properties)
      : properties_(properties), event_(EventFd::create().value()), data_(properties.size) {}

  [[nodiscard]] const DiskProperties& properties() const noexcept override { return properties_; }
  void submit(const BlockRequest& request) override {
    check(request.offset <= data_.size() && request.size <= data_.size() - request.offset,
          "a request lies on the disk");
    const bool changes =
        request.operation != BlockRequest::Operation::kRead && request.operation != BlockRequest::Operation::kFlush;
    check(!changes || properties_.access == DiskProperties::Access::kReadWrite, "a read-only disk is not written");
    held_.push_back({request, {request.pieces.begin(), request.pieces.end()}});
    held_.back().request.pieces = {};
    history_.push_back(request);
  }
  void commit() override {
    ++commits_;
    if (!holds_) release();
  }
  [[nodiscard]] std::span<const BlockCompletion> completed() override {
    asked_in_handler_ = in_io_handler();
    returned_ = std::exchange(ready_, {});
    if (returned_.empty()) check(event_.drain().has_value(), "an eventfd can be read");
    return returned_;
  }
  [[nodiscard]] int completion_fd() const noexcept override { return event_.fd(); }
  void wait() override {
    ++waits_;
    if (ready_.empty()) release();
  }
  void abandon() override {
    for (Request& held : held_) held.abandoned = true;
  }

  enum class Hold : std::uint8_t { kOn, kOff };
  // Whether requests are kept back from here on.
  void hold(Hold hold = Hold::kOn) { holds_ = hold == Hold::kOn; }
  // Carries out what was kept back, the latest first: a disk may.
  void release() {
    for (; !held_.empty(); held_.pop_back()) carry_out(held_.back());
    if (!ready_.empty()) check(event_.signal().has_value(), "an eventfd can be written");
  }
  // What every request is answered with instead of being carried out.
  void answer(BlockCompletion::Status status) { status_ = status; }

  [[nodiscard]] std::vector<std::uint8_t>& data() noexcept { return data_; }
  // All that was ever submitted, without its pieces.
  [[nodiscard]] const std::vector<BlockRequest>& history() const noexcept { return history_; }
  [[nodiscard]] std::size_t held() const noexcept { return held_.size(); }
  [[nodiscard]] int commits() const noexcept { return commits_; }
  [[nodiscard]] int waits() const noexcept { return waits_; }
  // Whether completed() was asked, the last time, inside an I/O handler.
  [[nodiscard]] bool asked_in_handler() const noexcept { return asked_in_handler_; }

 private:
  void carry_out(const Request& held) {
    const auto status = held.abandoned ? BlockCompletion::Status::kFailed : status_;
    ready_.push_back({.tag = held.request.tag, .status = status});
    if (status != BlockCompletion::Status::kDone) return;
    using enum BlockRequest::Operation;
    const BlockRequest& request = held.request;
    const bool moves = request.operation == kRead || request.operation == kWrite;
    if (request.operation == kWriteZeroes || request.operation == kUnmapZeroes)
      std::fill_n(data_.begin() + static_cast<std::ptrdiff_t>(request.offset), request.size, std::uint8_t{0});
    std::uint8_t* at = data_.data() + (moves ? request.offset : 0);
    for (const iovec& piece : held.pieces) {
      if (request.operation == kRead) std::memcpy(piece.iov_base, at, piece.iov_len);
      if (request.operation == kWrite) std::memcpy(at, piece.iov_base, piece.iov_len);
      at += piece.iov_len;
    }
  }

  const DiskProperties properties_;
  const EventFd event_;
  std::vector<std::uint8_t> data_;
  std::vector<Request> held_;
  std::vector<BlockRequest> history_;
  std::vector<BlockCompletion> ready_;
  std::vector<BlockCompletion> returned_;
  BlockCompletion::Status status_ = BlockCompletion::Status::kDone;
  bool holds_ = false;
  bool asked_in_handler_ = false;
  int commits_ = 0;
  int waits_ = 0;
};

}  // namespace keel::testing
