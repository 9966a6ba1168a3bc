// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/virtio/guest_buffers.h"

#include <array>
#include <numeric>
#include <vector>

#include <gmock/gmock.h>

namespace keel {
namespace {

using testing::ElementsAre;

// Pieces of 3, 4 and 5 bytes that count from 0.
class GuestBuffersTest : public testing::Test {
 protected:
  GuestBuffersTest() {
    std::iota(bytes_.begin(), bytes_.end(), std::uint8_t{0});
    for (GuestBuffers* buffers : {static_cast<GuestBuffers*>(&readable_), static_cast<GuestBuffers*>(&writable_)}) {
      buffers->append(std::span(bytes_).subspan(0, 3));
      buffers->append(std::span(bytes_).subspan(3, 4));
      buffers->append(std::span(bytes_).subspan(7, 5));
    }
  }

  std::array<std::uint8_t, 12> bytes_{};
  ReadableBuffers readable_;
  WritableBuffers writable_;
};

TEST_F(GuestBuffersTest, ReadsAcrossPieces) {
  std::array<std::uint8_t, 5> front{};
  EXPECT_TRUE(readable_.read(front));
  EXPECT_THAT(front, ElementsAre(0, 1, 2, 3, 4));
  EXPECT_EQ(readable_.size(), 7u);
  ASSERT_EQ(readable_.segments().size(), 2u);
  EXPECT_EQ(readable_.segments()[0].iov_base, &bytes_[5]);
  EXPECT_EQ(readable_.segments()[0].iov_len, 2u);
}

TEST_F(GuestBuffersTest, PeekTakesNothing) {
  std::array<std::uint8_t, 4> front{};
  EXPECT_TRUE(readable_.peek(front));
  EXPECT_THAT(front, ElementsAre(0, 1, 2, 3));
  EXPECT_EQ(readable_.size(), 12u);
}

TEST_F(GuestBuffersTest, ReadsObjectsInTheGuestsOrder) {
  EXPECT_EQ(readable_.read_object<std::uint32_t>(), 0x0302'0100u);
  EXPECT_EQ(readable_.read_object<std::uint64_t>(), 0x0b0a'0908'0706'0504u);
  EXPECT_EQ(readable_.read_object<std::uint8_t>(), std::nullopt);
}

TEST_F(GuestBuffersTest, TooShortTakesNothing) {
  std::array<std::uint8_t, 13> all{};
  EXPECT_FALSE(readable_.read(all));
  EXPECT_FALSE(readable_.skip(13));
  EXPECT_FALSE(readable_.truncate(13));
  EXPECT_FALSE(writable_.write(all));
  EXPECT_EQ(readable_.size(), 12u);
  EXPECT_EQ(writable_.size(), 12u);
  EXPECT_EQ(bytes_[11], 11);
}

TEST_F(GuestBuffersTest, WritesAcrossPieces) {
  EXPECT_TRUE(writable_.write(std::array<std::uint8_t, 4>{100, 101, 102, 103}));
  EXPECT_TRUE(writable_.write_object(std::uint16_t{0x6968}));
  EXPECT_THAT(bytes_, ElementsAre(100, 101, 102, 103, 0x68, 0x69, 6, 7, 8, 9, 10, 11));
  EXPECT_EQ(writable_.size(), 6u);
}

TEST_F(GuestBuffersTest, PokeWritesAndTakesNothing) {
  EXPECT_TRUE(writable_.poke(std::array<std::uint8_t, 4>{100, 101, 102, 103}));
  EXPECT_EQ(writable_.size(), 12u);
  EXPECT_EQ(bytes_[3], 103);
}

TEST_F(GuestBuffersTest, WritesWhatFits) {
  EXPECT_EQ(writable_.write_some(std::vector<std::uint8_t>(20, 0xee)), 12u);
  EXPECT_TRUE(writable_.empty());
  EXPECT_THAT(bytes_, testing::Each(0xee));
}

TEST_F(GuestBuffersTest, TakesTheLastByte) {
  for (int i = 11; i >= 0; --i) {
    const auto byte = writable_.take_last_byte();
    ASSERT_TRUE(byte.has_value());
    EXPECT_EQ(**byte, i);
  }
  EXPECT_FALSE(writable_.take_last_byte().has_value());
  EXPECT_TRUE(writable_.segments().empty());
}

TEST_F(GuestBuffersTest, TruncateDropsTheEnd) {
  EXPECT_TRUE(writable_.truncate(4));
  ASSERT_EQ(writable_.segments().size(), 2u);
  EXPECT_EQ(writable_.segments()[1].iov_len, 1u);
  EXPECT_TRUE(writable_.skip(4));
  EXPECT_TRUE(writable_.segments().empty());
  EXPECT_TRUE(writable_.truncate(0));
}

TEST_F(GuestBuffersTest, FrontAndBackMeet) {
  EXPECT_TRUE(writable_.skip(8));
  EXPECT_TRUE(writable_.truncate(1));
  ASSERT_EQ(writable_.segments().size(), 1u);
  EXPECT_EQ(writable_.segments()[0].iov_base, &bytes_[8]);
  EXPECT_EQ(**writable_.take_last_byte(), 8);
  EXPECT_TRUE(writable_.empty());
}

}  // namespace
}  // namespace keel
