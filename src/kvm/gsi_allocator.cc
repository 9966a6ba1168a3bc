// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/kvm/gsi_allocator.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "keel/base/try.h"

namespace keel::kvm {
namespace {

// "net0 64, blk0 2 and 3 more": the five who hold most within the range.
std::string name_holders(const std::map<Gsi, std::string>& owners, IdRange<Gsi> within) {
  constexpr std::size_t kNamed = 5;
  std::map<std::string, std::size_t> counts;
  for (const auto& [gsi, owner] : owners) {
    if (within.contains(gsi)) ++counts[owner];
  }
  std::vector<std::pair<std::string, std::size_t>> holders(counts.begin(), counts.end());
  std::ranges::sort(holders, {}, [](const auto& holder) { return std::pair(~holder.second, holder.first); });
  std::string text;
  for (std::size_t i = 0; i < std::min(kNamed, holders.size()); ++i)
    text += fmt::format("{}{} {}", i == 0 ? "" : ", ", holders[i].first, holders[i].second);
  if (holders.size() > kNamed) text += fmt::format(" and {} more", holders.size() - kNamed);
  return text;
}

}  // namespace

Result<Gsi> GsiAllocator::allocate(const Request& request) {
  const auto run = gsis_.allocate(IdRequest<Gsi>{.within = request.within});
  if (!run) {
    if (run.error().code() != ErrorCode::kExhausted) return std::unexpected(run.error());
    return fail(ErrorCode::kExhausted, "\"{}\": {}; held by: {}", request.owner, run.error().message(),
                name_holders(owners_, request.within));
  }
  owners_.emplace(run->first(), request.owner);
  return run->first();
}

Result<void> GsiAllocator::free(Gsi gsi) {
  KEEL_TRY_VOID(gsis_.free(gsi));
  owners_.erase(gsi);
  return {};
}

Result<void> GsiAllocator::update(Gsi old, Gsi now) {
  KEEL_TRY_VOID(gsis_.update(IdRange<Gsi>::single(old), IdRange<Gsi>::single(now)));
  auto owner = owners_.extract(old);
  owner.key() = now;
  owners_.insert(std::move(owner));
  return {};
}

}  // namespace keel::kvm
