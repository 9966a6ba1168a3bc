// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/devices/virtio_console.h"

#include <array>
#include <chrono>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "support/fake_console_port.h"
#include "support/fake_driver_signals.h"
#include "support/virtio_driver.h"
#include "keel/base/epoll_loop.h"
#include "keel/base/little_endian.h"

namespace keel {
namespace {

using namespace virtio_console;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

std::vector<std::uint8_t> bytes_of(std::string_view text) {
  return {text.begin(), text.end()};
}

// A guest with a console device.
class ConsoleGuest : public ::testing::Test {
 protected:
  void make(std::vector<VirtioConsole::PortConfig> ports, std::uint64_t features = ~0ull) {
    console_ = VirtioConsole::create(std::move(ports), *loop_).value();
    activate(features);
  }
  // Negotiates what is offered of `features`.
  void activate(std::uint64_t features = ~0ull) {
    VirtioActivation activation{
        .features = (console_->features() & features) | virtio::kFeatureVersion1, .queues = {}, .signals = &signals_};
    queues_.clear();
    for (const std::uint16_t size : console_->queue_sizes()) {
      queues_.push_back(
          std::make_unique<DriverQueue>(arena_, size, static_cast<std::uint16_t>(activation.queues.size())));
      activation.queues.push_back(
          VirtQueue::create(memory_, queues_.back()->layout(), activation.features, signals_).value());
    }
    ASSERT_TRUE(console_->activate(std::move(activation)).has_value());
  }
  // Does what the transport does for the device after such calls.
  void run_again() {
    for (auto again = signals_.take_again(); !again.empty(); again = signals_.take_again())
      for (const std::uint16_t queue : again) console_->notify(queue);
  }

  void print(std::string_view text, std::uint32_t port = 0) {
    const GuestAddress at = arena_.take(64);
    EXPECT_TRUE(memory_.write(at, bytes_of(text)).has_value());
    queues_[transmit_queue(port)]->request().out_at(at, static_cast<std::uint32_t>(text.size())).send();
    console_->notify(transmit_queue(port));
    run_again();
  }
  SentRequest give_room(std::uint32_t size, std::uint32_t port = 0) {
    const SentRequest sent = queues_[receive_queue(port)]->request().in(size).send();
    console_->notify(receive_queue(port));
    run_again();
    return sent;
  }
  // What the guest read into `room`; nothing where that has not come back.
  std::optional<std::string> read(const SentRequest& room, std::uint32_t port = 0) {
    const auto used = queues_[receive_queue(port)]->take_used();
    if (!used || used->id != room.head) return std::nullopt;
    const auto bytes = queues_[receive_queue(port)]->written(room);
    return std::string(bytes.begin(), bytes.begin() + used->length);
  }

  const std::vector<GuestRange> ram_ = {GuestRange::constant(0, 0xf'ffff)};
  const GuestMemory memory_ = GuestMemory::create(ram_).value();
  GuestArena arena_{memory_, GuestRange::constant(0x1000, 0xf'ffff)};
  const std::unique_ptr<EpollLoop> loop_ = EpollLoop::create().value();
  FakeDriverSignals signals_;
  std::vector<std::unique_ptr<DriverQueue>> queues_;
  std::shared_ptr<FakeConsolePort> host_ = std::make_shared<FakeConsolePort>();
  std::shared_ptr<VirtioConsole> console_;
};

class VirtioConsoleTest : public ConsoleGuest {
 protected:
  VirtioConsoleTest() {
    make({{.host = host_}});
    print("");  // its driver is up
    EXPECT_TRUE(queues_[1]->take_used().has_value());
  }
};

TEST_F(VirtioConsoleTest, OnePortNeedsNoControlQueues) {
  EXPECT_EQ(console_->device_id(), virtio::DeviceId::kConsole);
  EXPECT_EQ(console_->features(), kFeatureSize);
  EXPECT_THAT(console_->queue_sizes(), SizeIs(2));
}

TEST_F(VirtioConsoleTest, PrintsWhatTheGuestSends) {
  print("hello ");
  queues_[1]->request().out(bytes_of("wor")).out(bytes_of("ld")).send();
  console_->notify(1);
  EXPECT_EQ(host_->output(), "hello world");
  EXPECT_TRUE(queues_[1]->take_used().has_value());
  EXPECT_TRUE(queues_[1]->take_used().has_value());
}

TEST_F(VirtioConsoleTest, SlowHostSideHoldsUpItsOutputOnly) {
  host_->limit(3);
  print("abcdef");
  print("ghi");
  EXPECT_EQ(host_->output(), "abc");
  EXPECT_EQ(queues_[1]->take_used(), std::nullopt);
  const SentRequest room = give_room(8);
  host_->type("in");
  EXPECT_TRUE(host_->asked_in_handler());
  EXPECT_EQ(read(room), "in");

  host_->limit(4);
  EXPECT_TRUE(host_->asked_in_handler());
  EXPECT_EQ(host_->output(), "abcdefg");
  EXPECT_TRUE(queues_[1]->take_used().has_value());
  host_->limit(100);
  EXPECT_EQ(host_->output(), "abcdefghi");
  EXPECT_TRUE(queues_[1]->take_used().has_value());
  print("!");
  EXPECT_EQ(host_->output(), "abcdefghi!");
}

TEST_F(VirtioConsoleTest, InputGoesIntoTheRoomThatTheGuestGave) {
  const SentRequest first = give_room(4);
  const SentRequest second = give_room(4);
  host_->type("abcdef");
  EXPECT_EQ(read(first), "abcd");
  EXPECT_EQ(read(second), "ef");
}

TEST_F(VirtioConsoleTest, InputWaitsForRoom) {
  host_->type("abc");
  EXPECT_EQ(host_->unread(), 3u);
  const SentRequest room = give_room(8);
  EXPECT_EQ(read(room), "abc");
}

TEST_F(VirtioConsoleTest, InputBeforeTheDriverWaits) {
  console_->reset();
  host_->type("abc");
  EXPECT_EQ(host_->unread(), 3u);
  activate();
  const SentRequest room = give_room(8);
  EXPECT_EQ(read(room), std::nullopt) << "Linux would lose it";
  print("login:");
  EXPECT_EQ(read(room), "abc");
}

TEST_F(VirtioConsoleTest, InputDoesNotWaitForEver) {
  console_->reset();
  activate();
  const SentRequest room = give_room(8);
  host_->type("abc");
  EXPECT_EQ(read(room), std::nullopt);
  EXPECT_EQ(loop_->serve(std::chrono::seconds(30)).value(), 1u);
  EXPECT_TRUE(host_->asked_in_handler());
  EXPECT_EQ(read(room), "abc");
}

TEST_F(VirtioConsoleTest, SizeIsConfigurationWithAGeneration) {
  const auto size = [&] {
    std::array<std::uint8_t, 4> config{};
    console_->read_config(0, config);
    return std::pair(load_le_at<std::uint16_t>(config, 0), load_le_at<std::uint16_t>(config, 2));
  };
  const std::uint32_t before = console_->config_generation();
  console_->resize({.columns = 132, .rows = 50});
  EXPECT_EQ(size(), std::pair(std::uint16_t{132}, std::uint16_t{50}));
  EXPECT_NE(console_->config_generation(), before);
  EXPECT_EQ(signals_.config_changes(), 1u);
  console_->resize({.columns = 132, .rows = 50});
  EXPECT_EQ(signals_.config_changes(), 1u) << "nothing changed";

  std::array<std::uint8_t, 8> beyond{};
  console_->read_config(8, beyond);
  EXPECT_THAT(beyond, ::testing::Each(0));
  console_->read_config(0xffff'ffff'ffff'fff0, beyond);
  EXPECT_THAT(beyond, ::testing::Each(0));
}

TEST_F(VirtioConsoleTest, DriverIsToldOfTheSizeThatWasThereFirst) {
  console_->reset();
  console_->resize({.columns = 132, .rows = 50});
  activate();
  EXPECT_EQ(signals_.config_changes(), 0u) << "it would not look yet";
  print("up");
  EXPECT_EQ(signals_.config_changes(), 1u);
}

TEST_F(VirtioConsoleTest, SizeThatWasNotNegotiatedIsKeptQuiet) {
  console_->reset();
  activate(0);
  console_->resize({.columns = 1, .rows = 2});
  EXPECT_EQ(signals_.config_changes(), 0u);
}

TEST_F(VirtioConsoleTest, ResetLetsGoOfWhatIsUnderWay) {
  host_->limit(0);
  print("never");
  const SentRequest room = give_room(8);
  console_->reset();
  host_->limit(100);
  host_->type("abc");
  EXPECT_EQ(host_->output(), "");
  EXPECT_THAT(queues_[0]->written(room), ::testing::Each(0));
  console_->notify(0);
  console_->notify(1);
}

TEST_F(VirtioConsoleTest, AQueueThatIsStoppedIsLeftAloneAndTheOtherIsNot) {
  host_->limit(0);
  print("never");
  console_->reset_queue(1);
  host_->limit(100);
  print("nor this");
  EXPECT_EQ(host_->output(), "");
  EXPECT_EQ(queues_[1]->take_used(), std::nullopt);
  const SentRequest room = give_room(8);
  host_->type("abc");
  EXPECT_EQ(read(room), "abc");

  console_->reset_queue(0);
  const SentRequest late = give_room(8);
  host_->type("def");
  EXPECT_EQ(read(late), std::nullopt);
  EXPECT_EQ(host_->unread(), 3u);
}

TEST_F(VirtioConsoleTest, WritableBuffersToPrintAndReadableOnesToFill) {
  queues_[1]->request().in(4).send();
  console_->notify(1);
  EXPECT_EQ(queues_[1]->take_used()->length, 0u);
  queues_[0]->request().out({1, 2}).send();
  console_->notify(0);
  host_->type("a");
  EXPECT_EQ(queues_[0]->take_used()->length, 0u);
  EXPECT_EQ(read(give_room(4)), "a");
}

TEST_F(VirtioConsoleTest, BrokenQueueNeedsReset) {
  queues_[1]->offer(1000);
  console_->notify(1);
  EXPECT_THAT(signals_.reasons(), SizeIs(1));
  print("dead");
  EXPECT_EQ(host_->output(), "");
}

TEST_F(VirtioConsoleTest, MissingQueuesAreLeftAlone) {
  console_->reset();
  VirtioActivation activation{.features = virtio::kFeatureVersion1, .queues = {}, .signals = &signals_};
  activation.queues.resize(2);
  ASSERT_TRUE(console_->activate(std::move(activation)).has_value());
  console_->notify(0);
  console_->notify(1);
  host_->type("abc");
  EXPECT_EQ(host_->unread(), 3u);
}

// Three ports: a console, a named one that is connected, a named one that is not.
class MultiportTest : public ConsoleGuest {
 protected:
  MultiportTest() {
    unconnected_->connect(FakeConsolePort::Outside::kNobody);
    make({{.host = host_},
          {.host = agent_, .kind = VirtioConsole::Kind::kPlain, .name = "agent"},
          {.host = unconnected_, .kind = VirtioConsole::Kind::kPlain, .name = "other"}});
    for (int i = 0; i < 16; ++i) give_control_room();
  }

  void give_control_room(std::uint32_t size = 32) {
    control_room_.push_back(queues_[kControlReceiveQueue]->request().in(size).send());
    console_->notify(kControlReceiveQueue);
    run_again();
  }
  void say(std::uint32_t port, Event event, std::uint16_t value) {
    queues_[kControlTransmitQueue]->request().out_object(Control{port, std::to_underlying(event), value}).send();
    console_->notify(kControlTransmitQueue);
    run_again();
  }
  // "port event value rest" of each message that has come.
  std::vector<std::string> heard() {
    std::vector<std::string> messages;
    while (const auto used = queues_[kControlReceiveQueue]->take_used()) {
      const auto room = std::ranges::find(control_room_, used->id, &SentRequest::head);
      auto bytes = queues_[kControlReceiveQueue]->written(*room);
      control_room_.erase(room);
      bytes.resize(used->length);
      std::string rest;
      const auto event = static_cast<Event>(load_le_at<std::uint16_t>(bytes, 4));
      if (event == Event::kResize) {
        rest = fmt::format(" {}x{}", load_le_at<std::uint16_t>(bytes, 8), load_le_at<std::uint16_t>(bytes, 10));
      } else if (bytes.size() > 8) {
        rest = " " + std::string(bytes.begin() + 8, bytes.end());
      }
      messages.push_back(fmt::format("{} {} {}{}", load_le_at<std::uint32_t>(bytes, 0), std::to_underlying(event),
                                     load_le_at<std::uint16_t>(bytes, 6), rest));
    }
    return messages;
  }

  std::shared_ptr<FakeConsolePort> agent_ = std::make_shared<FakeConsolePort>();
  std::shared_ptr<FakeConsolePort> unconnected_ = std::make_shared<FakeConsolePort>();
  std::vector<SentRequest> control_room_;
};

TEST_F(MultiportTest, OffersPortsAndQueues) {
  EXPECT_EQ(console_->features(), kFeatureSize | kFeatureMultiport);
  EXPECT_THAT(console_->queue_sizes(), ElementsAre(64, 64, 32, 32, 64, 64, 64, 64));
  std::array<std::uint8_t, 4> ports{};
  console_->read_config(kConfigMaxPorts, ports);
  EXPECT_THAT(ports, ElementsAre(3, 0, 0, 0));
}

TEST_F(MultiportTest, DriverLearnsOfThePorts) {
  console_->resize({.columns = 80, .rows = 25});
  EXPECT_THAT(heard(), IsEmpty()) << "before it is ready";
  say(0, Event::kDeviceReady, 1);
  EXPECT_THAT(heard(), ElementsAre("0 1 1", "1 1 1", "2 1 1"));
  say(0, Event::kPortReady, 1);
  EXPECT_THAT(heard(), ElementsAre("0 4 1", "0 5 0 80x25", "0 6 1"));
  say(1, Event::kPortReady, 1);
  EXPECT_THAT(heard(), ElementsAre("1 7 1 agent", "1 6 1"));
  say(2, Event::kPortReady, 1);
  EXPECT_THAT(heard(), ElementsAre("2 7 1 other"));
  unconnected_->connect(FakeConsolePort::Outside::kSomebody);
  EXPECT_THAT(heard(), ElementsAre("2 6 1"));
  unconnected_->connect(FakeConsolePort::Outside::kNobody);
  EXPECT_THAT(heard(), ElementsAre("2 6 0"));
}

TEST_F(MultiportTest, NewSizeIsToldToConsoles) {
  say(0, Event::kPortReady, 1);
  say(1, Event::kPortReady, 1);
  (void)heard();
  console_->resize({.columns = 100, .rows = 40});
  EXPECT_THAT(heard(), ElementsAre("0 5 0 100x40"));
  EXPECT_EQ(signals_.config_changes(), 1u);
}

TEST_F(MultiportTest, PortsAreApart) {
  for (const std::uint32_t port : {0u, 1u, 2u}) say(port, Event::kPortReady, 1);
  say(0, Event::kPortOpen, 1);
  say(1, Event::kPortOpen, 1);
  const SentRequest room0 = give_room(8, 0);
  const SentRequest room1 = give_room(8, 1);
  const SentRequest room2 = give_room(8, 2);
  agent_->type("to agent");
  unconnected_->type("closed");
  EXPECT_EQ(read(room1, 1), "to agent");
  EXPECT_EQ(read(room0, 0), std::nullopt);
  EXPECT_EQ(read(room2, 2), std::nullopt) << "the guest has not opened it";
  say(2, Event::kPortOpen, 1);
  EXPECT_EQ(read(room2, 2), "closed");
  print("zero", 0);
  print("one", 1);
  print("two", 2);
  EXPECT_EQ(host_->output(), "zero");
  EXPECT_EQ(agent_->output(), "one");
  EXPECT_EQ(unconnected_->output(), "two");
  say(1, Event::kPortOpen, 0);
  give_room(8, 1);
  agent_->type("late");
  EXPECT_EQ(agent_->unread(), 4u);
}

TEST_F(MultiportTest, MessagesOfNoSense) {
  say(99, Event::kPortReady, 1);
  say(0xffff'ffff, Event::kPortOpen, 1);
  say(1, Event::kPortOpen, 1);  // before it is ready
  say(0, Event::kResize, 1);
  say(0, static_cast<Event>(1000), 1);
  queues_[kControlTransmitQueue]->request().out({1, 2, 3}).send();
  console_->notify(kControlTransmitQueue);
  EXPECT_THAT(heard(), IsEmpty());
  EXPECT_THAT(signals_.reasons(), IsEmpty());
  agent_->type("x");
  give_room(4, 1);
  EXPECT_EQ(agent_->unread(), 1u);
}

TEST_F(MultiportTest, DriverThatOnlyTalksMakesNothingGrow) {
  // No room for answers beyond what is there.
  for (int i = 0; i < 30; ++i) say(0, Event::kDeviceReady, 1);
  EXPECT_THAT(heard(), SizeIs(16));
  std::size_t taken = 0;
  while (queues_[kControlTransmitQueue]->take_used()) ++taken;
  EXPECT_EQ(taken, 30u);
  for (int i = 0; i < 16; ++i) give_control_room();
  EXPECT_THAT(heard(), UnorderedElementsAre("0 1 1", "1 1 1", "2 1 1")) << "what waited, each once";
}

// Linux, while it handles a message, waits for its own to be taken before it gives room for another.
TEST_F(ConsoleGuest, EveryMessageIsTakenThoughItsAnswersHaveToWait) {
  std::vector<VirtioConsole::PortConfig> ports;
  for (std::size_t i = 0; i < VirtioConsole::kMaxPorts; ++i)
    ports.push_back({.host = std::make_shared<FakeConsolePort>(), .kind = VirtioConsole::Kind::kPlain, .name = "port"});
  make(std::move(ports));
  DriverQueue& receive = *queues_[kControlReceiveQueue];
  DriverQueue& transmit = *queues_[kControlTransmitQueue];
  std::map<std::uint32_t, SentRequest> room;
  const auto give_room = [&] {
    const SentRequest sent = receive.request().in(32).send();
    room[sent.head] = sent;
    console_->notify(kControlReceiveQueue);
    run_again();
  };
  const auto say = [&](std::uint32_t port, Event event) {
    transmit.request().out_object(Control{port, std::to_underlying(event), 1}).send();
    console_->notify(kControlTransmitQueue);
    run_again();
    return transmit.take_used().has_value();
  };
  for (int i = 0; i < receive.layout().size; ++i) give_room();
  ASSERT_TRUE(say(0, Event::kDeviceReady));
  std::multiset<Event> heard;
  while (const auto used = receive.take_used()) {
    const auto bytes = receive.written(room[used->id]);
    const auto event = static_cast<Event>(load_le_at<std::uint16_t>(bytes, 4));
    heard.insert(event);
    if (event == Event::kDeviceAdd) {
      ASSERT_TRUE(say(load_le_at<std::uint32_t>(bytes, 0), Event::kPortReady)) << heard.size() << " messages in";
    }
    give_room();
  }
  for (const Event event : {Event::kDeviceAdd, Event::kPortName, Event::kPortOpen})
    EXPECT_EQ(heard.count(event), VirtioConsole::kMaxPorts);
}

TEST_F(MultiportTest, ControlBufferThatIsTooSmallGetsWhatFits) {
  (void)heard();
  console_->reset();
  activate();
  control_room_.clear();
  control_room_.push_back(queues_[kControlReceiveQueue]->request().in(2).send());
  say(1, Event::kPortReady, 1);
  EXPECT_EQ(queues_[kControlReceiveQueue]->take_used()->length, 2u);
}

TEST_F(MultiportTest, WithoutMultiportOnlyTheFirstPortLives) {
  console_->reset();
  activate(kFeatureSize);
  print("zero", 0);
  EXPECT_EQ(host_->output(), "zero");
  const SentRequest room = give_room(4, 1);
  agent_->type("x");
  EXPECT_EQ(read(room, 1), std::nullopt);
}

TEST(VirtioConsoleConfigTest, ConfigurationsThatCannotBe) {
  const auto error = [](std::vector<VirtioConsole::PortConfig> ports) {
    return VirtioConsole::create(std::move(ports), *EpollLoop::create().value()).error().message();
  };
  const auto host = std::make_shared<FakeConsolePort>();
  EXPECT_EQ(error({}), "a console device with 0 ports: it has 1 to 31");
  EXPECT_EQ(error({32, {.host = host}}), "a console device with 32 ports: it has 1 to 31");
  EXPECT_EQ(error({{.host = nullptr, .name = "a"}}), "console port \"a\" has no host side");
  EXPECT_EQ(error({{.host = host, .name = std::string(65, 'n')}}),
            "console port \"" + std::string(65, 'n') + "\": a name has at most 64 bytes");
}

TEST(VirtioConsoleConfigTest, HostSideMayOutliveTheDevice) {
  const auto host = std::make_shared<FakeConsolePort>();
  const auto loop = EpollLoop::create().value();
  VirtioConsole::create({{.host = host}}, *loop).value().reset();
  host->type("nobody hears");
}

}  // namespace
}  // namespace keel
