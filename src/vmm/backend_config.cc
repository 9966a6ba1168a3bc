// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/vmm/backend_config.h"

#include <ranges>

#include "keel/base/try.h"

namespace keel {
namespace {

constexpr std::string_view kNetHelp =
    "write user[,hostfwd=tcp:127.0.0.1:8080-:80][,mac=52:54:00:12:34:56] or tap=NAME[,mac=…]";

// The words between commas; a doubled comma is one of a word.
std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words(1);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != ',') {
      words.back() += text[i];
    } else if (i + 1 < text.size() && text[i + 1] == ',') {
      words.back() += text[i++];
    } else {
      words.emplace_back();
    }
  }
  return words;
}

// What follows `key` and '='; nothing where the word is another.
std::optional<std::string_view> value_of(std::string_view word, std::string_view key) {
  if (!word.starts_with(key) || word.size() == key.size() || word[key.size()] != '=') return std::nullopt;
  return word.substr(key.size() + 1);
}

}  // namespace

Result<DiskConfig> parse_disk(std::string_view text) {
  const std::vector<std::string> words = words_of(text);
  DiskConfig config{.path = words[0]};
  if (config.path.empty()) return fail(ErrorCode::kInvalidArgument, "--disk \"{}\": it names no file", text);
  for (const std::string& word : words | std::views::drop(1)) {
    if (word != "ro") {
      return fail(ErrorCode::kInvalidArgument,
                  "--disk \"{}\": \"{}\" is no option of a disk; there is ro (a comma in a file's name is doubled)",
                  text, word);
    }
    config.access = DiskProperties::Access::kReadOnly;
  }
  return config;
}

Result<NetConfig> parse_net(std::string_view text) {
  const std::vector<std::string> words = words_of(text);
  NetConfig config;
  if (const auto tap = value_of(words[0], "tap")) {
    config.tap = *tap;
  } else if (words[0] != "user") {
    return fail(ErrorCode::kInvalidArgument, "--net \"{}\": \"{}\" is no network; {}", text, words[0], kNetHelp);
  }
  for (const std::string& word : words | std::views::drop(1)) {
    if (const auto mac = value_of(word, "mac")) {
      auto parsed = MacAddress::parse(*mac);
      if (!parsed) return std::unexpected(parsed.error().within(fmt::format("--net \"{}\"", text)));
      if (parsed->is_multicast()) {
        return fail(ErrorCode::kInvalidArgument, "--net \"{}\": {} is the address of a group, no interface's own", text,
                    *parsed);
      }
      if (*parsed == MacAddress{}) {
        return fail(ErrorCode::kInvalidArgument,
                    "--net \"{}\": {} is nobody's address; write one like 52:54:00:12:34:56, or none for a random one",
                    text, *parsed);
      }
      config.mac = *parsed;
    } else if (const auto forward = value_of(word, "hostfwd"); forward && !config.tap) {
      auto parsed = parse_host_forward(*forward);
      if (!parsed) return std::unexpected(parsed.error().within(fmt::format("--net \"{}\"", text)));
      config.forwards.push_back(*parsed);
    } else {
      return fail(ErrorCode::kInvalidArgument, "--net \"{}\": \"{}\" is no option of this network; {}", text, word,
                  kNetHelp);
    }
  }
  return config;
}

Result<PortConfig> parse_port(std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0 || equals + 1 == text.size() ||
      text.substr(0, equals).contains('/')) {
    return fail(ErrorCode::kInvalidArgument,
                "--port \"{}\": write NAME=SOCKET, the port's name in the guest and the path of its socket here", text);
  }
  return PortConfig{.name = std::string(text.substr(0, equals)), .socket = std::string(text.substr(equals + 1))};
}

}  // namespace keel
