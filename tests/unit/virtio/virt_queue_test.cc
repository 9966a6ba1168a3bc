// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/virtio/virt_queue.h"

#include <array>
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "support/fake_driver_signals.h"
#include "support/heap_in_use.h"
#include "support/virtio_driver.h"

namespace keel {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using virtio::Descriptor;

constexpr std::uint64_t kAllFeatures =
    virtio::kFeatureVersion1 | virtio::kFeatureIndirectDesc | virtio::kFeatureEventIdx;
constexpr std::uint64_t kPlain = virtio::kFeatureVersion1;

// Two regions that touch at 1 MiB, a hole, and one that ends at the top of the space.
const std::vector<GuestRange> kRam = {GuestRange::constant(0, 0xf'ffff), GuestRange::constant(0x10'0000, 0x1f'ffff),
                                      GuestRange::constant(0xffff'ffff'fff0'0000, 0xffff'ffff'ffff'ffff)};
constexpr GuestAddress kBorder(0x10'0000);

class VirtQueueTest : public ::testing::Test {
 protected:
  explicit VirtQueueTest(std::uint64_t features = kAllFeatures) : features_(features) {}

  std::unique_ptr<VirtQueue> make() {
    auto queue = VirtQueue::create(memory_, driver_.layout(), features_, signals_);
    EXPECT_TRUE(queue.has_value());
    return std::move(queue).value();
  }
  void expect_broken(std::string_view why) {
    EXPECT_FALSE(queue_->pop().has_value());
    EXPECT_TRUE(queue_->broken());
    EXPECT_THAT(signals_.reasons(), ElementsAre(HasSubstr(std::string(why))));
  }

  const std::uint64_t features_;
  const GuestMemory memory_ = GuestMemory::create(kRam).value();
  GuestArena arena_{memory_, GuestRange::constant(0x1000, 0x8'0000)};
  DriverQueue driver_{arena_, 8};
  FakeDriverSignals signals_;
  std::unique_ptr<VirtQueue> queue_ = make();
};

class PlainVirtQueueTest : public VirtQueueTest {
 protected:
  PlainVirtQueueTest() : VirtQueueTest(kPlain) {}
};

std::vector<std::uint8_t> read_all(DescriptorChain& chain) {
  std::vector<std::uint8_t> bytes(chain.readable().size());
  EXPECT_TRUE(chain.readable().read(bytes));
  return bytes;
}

TEST_F(VirtQueueTest, EmptyQueueGivesNothing) {
  EXPECT_FALSE(queue_->pop().has_value());
  EXPECT_FALSE(queue_->broken());
}

TEST_F(VirtQueueTest, RequestGoesThereAndBack) {
  const SentRequest sent = driver_.request().out({1, 2}).out({3}).in(4).in(2).send();
  auto chain = queue_->pop();
  ASSERT_TRUE(chain.has_value());
  EXPECT_EQ(chain->writable().size(), 6u);
  EXPECT_THAT(read_all(*chain), ElementsAre(1, 2, 3));
  EXPECT_TRUE(chain->writable().write(std::array<std::uint8_t, 5>{9, 8, 7, 6, 5}));
  EXPECT_EQ(queue_->in_flight(), 1);
  EXPECT_EQ(driver_.take_used(), std::nullopt);
  queue_->complete(std::move(*chain), 5);
  EXPECT_EQ(driver_.take_used(), (UsedElement{sent.head, 5}));
  EXPECT_THAT(driver_.written(sent), ElementsAre(9, 8, 7, 6, 5, 0));
  EXPECT_EQ(queue_->in_flight(), 0);
}

TEST_F(VirtQueueTest, RoomOfLongChainsIsNotKept) {
  DriverQueue driver(arena_, 64);
  const auto queue = VirtQueue::create(memory_, driver.layout(), features_, signals_).value();
  const GuestAddress table = arena_.take(16 * VirtQueue::kLongestIndirect, 16);
  const GuestAddress at = arena_.take(1);
  const auto round = [&](std::size_t pieces) {
    std::vector<DescriptorChain> chains;
    for (int i = 0; i < 64; ++i) {
      DriverRequest request = driver.request();
      for (std::size_t piece = 0; piece < pieces; ++piece) request.in_at(at, 1);
      request.indirect_at(table).send();
      chains.push_back(queue->pop().value());
    }
    for (DescriptorChain& chain : chains) queue->complete(std::move(chain), 0);
    while (driver.take_used()) {
    }
  };
  round(1);
  const std::size_t before = testing::heap_in_use();
  round(VirtQueue::kLongestIndirect);
  EXPECT_LT(testing::heap_in_use(), before + (256 << 10)) << "1 MiB, where every chain keeps its room";
}

TEST_F(VirtQueueTest, BuffersAreTheGuestsOwnMemory) {
  const SentRequest sent = driver_.request().in(4).send();
  auto chain = queue_->pop();
  ASSERT_TRUE(chain.has_value());
  EXPECT_EQ(chain->writable().segments()[0].iov_base, memory_.slice(sent.in[0].address, 4)->data());
}

TEST_F(VirtQueueTest, CompletesInAnyOrder) {
  const SentRequest first = driver_.request().in(1).send();
  const SentRequest second = driver_.request().in(1).send();
  auto a = queue_->pop();
  auto b = queue_->pop();
  queue_->complete(std::move(*b), 2);
  queue_->complete(std::move(*a), 1);
  EXPECT_EQ(driver_.take_used(), (UsedElement{second.head, 2}));
  EXPECT_EQ(driver_.take_used(), (UsedElement{first.head, 1}));
}

TEST_F(VirtQueueTest, SeveralAreCompletedTogether) {
  std::vector<SentRequest> sent;
  for (int i = 0; i < 3; ++i) sent.push_back(driver_.request().in(4).send());
  for (std::uint32_t i = 0; i < 3; ++i) queue_->add_used(*queue_->pop(), i);
  EXPECT_EQ(driver_.used_idx(), 0) << "nothing is seen before all are there";
  queue_->publish_used();
  for (std::uint32_t i = 0; i < 3; ++i) EXPECT_EQ(driver_.take_used(), (UsedElement{sent[i].head, i}));
  EXPECT_EQ(driver_.take_used(), std::nullopt);
}

TEST_F(VirtQueueTest, IndicesWrap) {
  for (std::uint32_t i = 0; i < 70'000; ++i) {
    driver_.request().in_at(GuestAddress(0x9'0000), 1).send();
    auto chain = queue_->pop();
    ASSERT_TRUE(chain.has_value());
    queue_->complete(std::move(*chain), i);
    ASSERT_EQ(driver_.take_used()->length, i);
  }
  EXPECT_EQ(driver_.free_descriptors(), 8u);
}

TEST_F(VirtQueueTest, PutBackIsTheNextAgain) {
  driver_.request().out({1}).send();
  driver_.request().out({2}).send();
  auto chain = queue_->pop();
  EXPECT_THAT(read_all(*chain), ElementsAre(1));
  queue_->put_back(std::move(*chain));
  EXPECT_EQ(queue_->in_flight(), 0);
  chain = queue_->pop();
  EXPECT_THAT(read_all(*chain), ElementsAre(1));
}

TEST_F(VirtQueueTest, IndirectTableIsFollowed) {
  const SentRequest sent = driver_.request().out({1}).out({2}).in(3).indirect().send();
  auto chain = queue_->pop();
  ASSERT_TRUE(chain.has_value());
  EXPECT_THAT(read_all(*chain), ElementsAre(1, 2));
  EXPECT_EQ(chain->writable().size(), 3u);
  queue_->complete(std::move(*chain), 0);
  EXPECT_EQ(driver_.take_used(), (UsedElement{sent.head, 0}));
}

TEST_F(VirtQueueTest, IndirectTableAfterDirectBuffers) {
  driver_.request().out({1}).out({2}).out({3}).in(1).indirect_from(2).send();
  auto chain = queue_->pop();
  ASSERT_TRUE(chain.has_value());
  EXPECT_THAT(read_all(*chain), ElementsAre(1, 2, 3));
  EXPECT_EQ(chain->writable().size(), 1u);
}

TEST_F(VirtQueueTest, IndirectTableMayBeLongerThanTheQueueAndNotAligned) {
  const GuestAddress table(0x9'0001);
  for (std::uint64_t i = 0; i < VirtQueue::kLongestIndirect; ++i) {
    const bool last = i + 1 == VirtQueue::kLongestIndirect;
    driver_.put_descriptor(GuestAddress(table.value() + 16 * i),
                           {.address = 0x1000,
                            .length = 1,
                            .flags = last ? std::uint16_t{0} : virtio::kDescriptorNext,
                            .next = static_cast<std::uint16_t>(i + 1)});
  }
  driver_.set_descriptor(0, {table.value(), 16 * VirtQueue::kLongestIndirect, virtio::kDescriptorIndirect, 0});
  driver_.offer(0);
  const auto chain = queue_->pop();
  ASSERT_TRUE(chain.has_value());
}

TEST_F(VirtQueueTest, IndirectTableMayLieAcrossRegions) {
  const GuestAddress table(kBorder.value() - 24);
  driver_.put_descriptor(table, {0x1000, 1, virtio::kDescriptorNext, 1});
  driver_.put_descriptor(GuestAddress(table.value() + 16), {0x1001, 2, virtio::kDescriptorNext, 2});
  driver_.put_descriptor(GuestAddress(table.value() + 32), {0x1003, 4, 0, 0});
  driver_.set_descriptor(0, {table.value(), 48, virtio::kDescriptorIndirect, 0});
  driver_.offer(0);
  auto chain = queue_->pop();
  ASSERT_TRUE(chain.has_value());
  EXPECT_EQ(chain->readable().size(), 7u);
}

TEST_F(VirtQueueTest, WriteFlagOfTheTablesDescriptorIsIgnored) {
  const SentRequest sent = driver_.request().out({1, 2}).indirect().write();
  auto descriptor =
      *memory_.read_object<Descriptor>(GuestAddress(driver_.layout().descriptors.value() + 16ull * sent.head));
  descriptor.flags |= virtio::kDescriptorWrite;
  driver_.set_descriptor(sent.head, descriptor);
  driver_.offer(sent.head);
  auto chain = queue_->pop();
  ASSERT_TRUE(chain.has_value());
  EXPECT_EQ(chain->readable().size(), 2u);
}

TEST_F(VirtQueueTest, BufferAcrossRegionsIsSeveralPieces) {
  driver_.request().in_at(GuestAddress(kBorder.value() - 3), 8).send();
  auto chain = queue_->pop();
  ASSERT_TRUE(chain.has_value());
  EXPECT_EQ(chain->writable().size(), 8u);
  EXPECT_EQ(chain->writable().segments().size(), 2u);
}

TEST_F(VirtQueueTest, BufferMayEndAtTheTopOfTheSpace) {
  driver_.request().in_at(GuestAddress(0xffff'ffff'ffff'fff0), 16).send();
  auto chain = queue_->pop();
  ASSERT_TRUE(chain.has_value());
  EXPECT_EQ(chain->writable().size(), 16u);
}

TEST_F(VirtQueueTest, EmptyBuffersAreNowhere) {
  driver_.request().out_at(GuestAddress(0x5000'0000), 0).out({1}).in_at(GuestAddress(0), 0).send();
  auto chain = queue_->pop();
  ASSERT_TRUE(chain.has_value());
  EXPECT_EQ(chain->readable().size(), 1u);
  EXPECT_TRUE(chain->writable().empty());
}

TEST_F(VirtQueueTest, ChainMayBeAsLongAsTheQueue) {
  auto request = driver_.request();
  for (std::uint8_t i = 0; i < 8; ++i) request.out({i});
  request.send();
  auto chain = queue_->pop();
  ASSERT_TRUE(chain.has_value());
  EXPECT_EQ(chain->readable().size(), 8u);
}

// What a hostile driver writes.

TEST_F(VirtQueueTest, LoopBreaksTheQueue) {
  driver_.set_descriptor(0, {0x1000, 1, virtio::kDescriptorNext, 1});
  driver_.set_descriptor(1, {0x1000, 1, virtio::kDescriptorNext, 0});
  driver_.offer(0);
  expect_broken("queue 0: the request at descriptor 0: its chain is a loop, or longer than allowed");
}

TEST_F(VirtQueueTest, LoopInAnIndirectTableBreaksTheQueue) {
  const GuestAddress table = arena_.take(16);
  driver_.put_descriptor(table, {0x1000, 1, virtio::kDescriptorNext, 0});
  driver_.set_descriptor(3, {table.value(), 16, virtio::kDescriptorIndirect, 0});
  driver_.offer(3);
  expect_broken("the request at descriptor 3: its chain is a loop");
}

TEST_F(VirtQueueTest, HeadOutsideTheTableBreaksTheQueue) {
  driver_.offer(8);
  expect_broken("its chain leaves the descriptor table");
}

TEST_F(VirtQueueTest, NextOutsideTheTableBreaksTheQueue) {
  driver_.set_descriptor(0, {0x1000, 1, virtio::kDescriptorNext, 0xffff});
  driver_.offer(0);
  expect_broken("its chain leaves the descriptor table");
}

TEST_F(VirtQueueTest, IndirectInsideIndirectBreaksTheQueue) {
  const GuestAddress table = arena_.take(16);
  driver_.put_descriptor(table, {table.value(), 16, virtio::kDescriptorIndirect, 0});
  driver_.set_descriptor(0, {table.value(), 16, virtio::kDescriptorIndirect, 0});
  driver_.offer(0);
  expect_broken("an indirect table inside an indirect table");
}

TEST_F(VirtQueueTest, IndirectWithSuccessorBreaksTheQueue) {
  driver_.set_descriptor(0, {0x1000, 16, virtio::kDescriptorIndirect | virtio::kDescriptorNext, 1});
  driver_.offer(0);
  expect_broken("a descriptor follows that of an indirect table");
}

TEST_F(VirtQueueTest, IndirectTableOfPartsBreaksTheQueue) {
  driver_.set_descriptor(0, {0x1000, 24, virtio::kDescriptorIndirect, 0});
  driver_.offer(0);
  expect_broken("not made of whole descriptors");
}

TEST_F(VirtQueueTest, EmptyIndirectTableBreaksTheQueue) {
  driver_.set_descriptor(0, {0x1000, 0, virtio::kDescriptorIndirect, 0});
  driver_.offer(0);
  expect_broken("not made of whole descriptors");
}

TEST_F(VirtQueueTest, IndirectTableOutsideRamBreaksTheQueue) {
  driver_.set_descriptor(0, {0x5000'0000, 16, virtio::kDescriptorIndirect, 0});
  driver_.offer(0);
  expect_broken("its indirect table is not in RAM");
}

TEST_F(VirtQueueTest, IndirectTableThatWrapsBreaksTheQueue) {
  driver_.set_descriptor(0, {0xffff'ffff'ffff'fff0, 32, virtio::kDescriptorIndirect, 0});
  driver_.offer(0);
  expect_broken("its indirect table is not in RAM");
}

TEST_F(VirtQueueTest, BufferOutsideRamBreaksTheQueue) {
  driver_.request().out_at(GuestAddress(0xd000'0000), 4).send();  // as a device's registers would be
  expect_broken("a buffer is not in RAM");
}

TEST_F(VirtQueueTest, BufferThatLeavesRamBreaksTheQueue) {
  driver_.request().out_at(GuestAddress(0x1f'fffc), 8).send();
  expect_broken("a buffer is not in RAM");
}

TEST_F(VirtQueueTest, BufferThatWrapsBreaksTheQueue) {
  driver_.request().out_at(GuestAddress(0xffff'ffff'ffff'fffc), 8).send();
  expect_broken("a buffer passes the top of the address space");
}

TEST_F(VirtQueueTest, ReadableAfterWritableBreaksTheQueue) {
  driver_.request().in(1).out({1}).send();
  expect_broken("a readable buffer follows a writable one");
}

TEST_F(VirtQueueTest, AvailableIndexFarAheadBreaksTheQueue) {
  driver_.set_available_idx(9);
  expect_broken("the available index is 9 ahead of a queue of 8");
}

TEST_F(VirtQueueTest, AvailableIndexThatWentBackBreaksTheQueue) {
  driver_.set_available_idx(0xffff);
  expect_broken("the available index is 65535 ahead of a queue of 8");
}

TEST_F(VirtQueueTest, SameRequestOverAndOverBreaksTheQueue) {
  driver_.set_descriptor(0, {0x1000, 1, 0, 0});
  std::vector<DescriptorChain> held;
  for (int i = 0; i < 8; ++i) {
    driver_.offer(0);
    held.push_back(std::move(*queue_->pop()));
  }
  driver_.offer(0);
  expect_broken("more requests are under way than the queue has descriptors");
}

TEST_F(VirtQueueTest, BrokenQueueSaysSoOnceAndStillCompletes) {
  const SentRequest sent = driver_.request().in(1).send();
  auto chain = queue_->pop();
  driver_.offer(99);
  expect_broken("leaves the descriptor table");
  expect_broken("leaves the descriptor table");
  EXPECT_FALSE(queue_->request_notifications());
  queue_->complete(std::move(*chain), 1);
  EXPECT_EQ(driver_.take_used(), (UsedElement{sent.head, 1}));
}

TEST_F(VirtQueueTest, DeviceMayBreakItsQueue) {
  queue_->mark_broken("a request without room for its status");
  expect_broken("queue 0: a request without room for its status");
}

TEST_F(PlainVirtQueueTest, IndirectTableThatWasNotNegotiatedBreaksTheQueue) {
  driver_.request().out({1}).indirect().send();
  expect_broken("an indirect table was not negotiated");
}

// Two buffers of 2 GiB each are the most; memory of that size is only mapped, never touched.
TEST(VirtQueueSizeTest, RequestsUpTo4GiB) {
  const std::vector<GuestRange> ram = {GuestRange::constant(0, 0xffff'ffff)};
  const GuestMemory memory = GuestMemory::create(ram).value();
  GuestArena arena(memory, GuestRange::constant(0, 0xffff));
  DriverQueue driver(arena, 8);
  FakeDriverSignals signals;
  const auto queue = VirtQueue::create(memory, driver.layout(), kPlain, signals).value();
  driver.request().out_at(GuestAddress(0), 0x8000'0000).in_at(GuestAddress(0), 0x8000'0000).send();
  auto chain = queue->pop();
  ASSERT_TRUE(chain.has_value());
  EXPECT_EQ(chain->readable().size(), 0x8000'0000u);
  driver.request().out_at(GuestAddress(0), 0x8000'0000).in_at(GuestAddress(0), 0x8000'0000).in(1).send();
  EXPECT_FALSE(queue->pop().has_value());
  EXPECT_THAT(signals.reasons(), ElementsAre(HasSubstr("its buffers are larger than 4 GiB")));
}

// Layouts.

TEST_F(VirtQueueTest, LayoutsThatCannotBe) {
  const auto error = [&](auto change) {
    VirtQueueLayout layout = driver_.layout();
    change(layout);
    const auto queue = VirtQueue::create(memory_, layout, features_, signals_);
    return queue ? std::string("none") : queue.error().message();
  };
  EXPECT_THAT(error([](auto& l) { l.size = 0; }), HasSubstr("a queue of 0 entries"));
  EXPECT_THAT(error([](auto& l) { l.size = 6; }), HasSubstr("a queue of 6 entries"));
  EXPECT_THAT(error([](auto& l) { l.descriptors = GuestAddress(0x1008); }),
              HasSubstr("the descriptor table at 0x1008 is not aligned to 16 bytes"));
  EXPECT_THAT(error([](auto& l) { l.available = GuestAddress(0x1001); }), HasSubstr("the available ring at 0x1001"));
  EXPECT_THAT(error([](auto& l) { l.used = GuestAddress(0x1002); }), HasSubstr("the used ring at 0x1002"));
  EXPECT_THAT(error([](auto& l) { l.used = GuestAddress(0x5000'0000); }), HasSubstr("used ring: 0x46 bytes at guest"));
  EXPECT_THAT(error([](auto& l) { l.descriptors = GuestAddress(0xffff'ffff'ffff'fff0); }),
              HasSubstr("descriptor table: "));
}

// Notifications.

void complete_next(VirtQueue& queue) {
  auto chain = queue.pop();
  ASSERT_TRUE(chain.has_value());
  queue.complete(std::move(*chain), 0);
}

TEST_F(PlainVirtQueueTest, InterruptsOncePerBatchUnlessTheDriverWantsNone) {
  driver_.request().in(1).send();
  driver_.request().in(1).send();
  complete_next(*queue_);
  complete_next(*queue_);
  EXPECT_EQ(signals_.interrupts(), 0u);
  queue_->signal();
  EXPECT_EQ(signals_.interrupts(), 1u);
  queue_->signal();
  EXPECT_EQ(signals_.interrupts(), 1u);

  driver_.set_no_interrupt(virtio::kAvailableNoInterrupt);
  driver_.request().in(1).send();
  complete_next(*queue_);
  queue_->signal();
  EXPECT_EQ(signals_.interrupts(), 1u);
}

TEST_F(PlainVirtQueueTest, AsksForNotificationsByFlag) {
  queue_->suppress_notifications();
  EXPECT_TRUE(driver_.no_notify());
  EXPECT_FALSE(queue_->request_notifications());
  EXPECT_FALSE(driver_.no_notify());
  driver_.request().in(1).send();
  EXPECT_TRUE(queue_->request_notifications());
}

TEST_F(VirtQueueTest, InterruptsWhenTheUsedEventIsPassed) {
  driver_.set_used_event(2);
  for (std::size_t completed = 1; completed <= 5; ++completed) {
    driver_.request().in(1).send();
    complete_next(*queue_);
    queue_->signal();
    EXPECT_EQ(signals_.interrupts(), completed < 3 ? 0u : 1u) << completed;
  }
}

TEST_F(VirtQueueTest, InterruptsWhenABatchPassesTheUsedEvent) {
  driver_.set_used_event(1);
  for (int i = 0; i < 4; ++i) driver_.request().in(1).send();
  for (int i = 0; i < 4; ++i) complete_next(*queue_);
  queue_->signal();
  EXPECT_EQ(signals_.interrupts(), 1u);
}

TEST_F(VirtQueueTest, FlagsSayNothingWithEventIndex) {
  driver_.set_no_interrupt(virtio::kAvailableNoInterrupt);
  driver_.request().in(1).send();
  complete_next(*queue_);
  queue_->signal();
  EXPECT_EQ(signals_.interrupts(), 1u);
}

TEST_F(VirtQueueTest, AsksForNotificationsByEventIndex) {
  driver_.request().in(1).send();
  queue_->suppress_notifications();
  complete_next(*queue_);
  EXPECT_EQ(driver_.avail_event(), 0);
  EXPECT_FALSE(queue_->request_notifications());
  EXPECT_EQ(driver_.avail_event(), 1);
  EXPECT_FALSE(driver_.no_notify());
  driver_.request().in(1).send();
  EXPECT_TRUE(queue_->request_notifications());
}

TEST_F(VirtQueueTest, DrainServesAllAndSignalsOnce) {
  for (int i = 0; i < 5; ++i) driver_.request().in(1).send();
  int served = 0;
  queue_->drain([&](DescriptorChain chain) {
    ++served;
    queue_->complete(std::move(chain), 0);
  });
  EXPECT_EQ(served, 5);
  EXPECT_EQ(signals_.interrupts(), 1u);
  EXPECT_EQ(driver_.avail_event(), 5);
  EXPECT_TRUE(signals_.take_again().empty());
}

TEST_F(VirtQueueTest, DrainStopsAfterAQueueFullAndComesBack) {
  driver_.set_descriptor(0, {0x1000, 1, 0, 0});
  driver_.offer(0);
  int served = 0;
  queue_->drain([&](DescriptorChain chain) {
    ++served;
    queue_->complete(std::move(chain), 0);
    driver_.offer(0);  // a driver that is as fast as the device
  });
  EXPECT_EQ(served, 8);
  EXPECT_THAT(signals_.take_again(), ElementsAre(0));
}

}  // namespace
}  // namespace keel
