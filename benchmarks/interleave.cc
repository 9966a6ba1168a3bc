// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "benchmarks/interleave.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <string_view>
#include <thread>

#include <fmt/format.h>

namespace keel::bench {

double now_ns() {
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

double minimum(const std::vector<double>& values) {
  return std::ranges::min(values);
}

void become_multi_threaded() {
  std::thread([] {}).join();
}

std::vector<Figure> interleave(std::span<const Contender> contenders, std::size_t items_per_pass, unsigned rounds) {
  std::vector<std::vector<double>> times(contenders.size());
  const unsigned warm_up = rounds / 10 + 1;
  for (unsigned round = 0; round < warm_up + rounds; ++round) {
    for (std::size_t i = 0; i < contenders.size(); ++i) {
      const double start = now_ns();
      const std::uint64_t wrong = contenders[i].pass();
      const double spent = now_ns() - start;
      if (wrong != 0) throw std::runtime_error(fmt::format("{}: {} wrong answers", contenders[i].name, wrong));
      if (round >= warm_up) times[i].push_back(spent / static_cast<double>(items_per_pass));
    }
  }
  std::vector<Figure> figures;
  for (std::size_t i = 0; i < contenders.size(); ++i) {
    std::vector<double> ratios;
    for (unsigned round = 0; round < rounds; ++round) ratios.push_back(times[i][round] / times[0][round]);
    figures.push_back({contenders[i].name, median(times[i]), minimum(times[i]), median(ratios)});
  }
  return figures;
}

Report::Report(int argc, char** argv, const char* what, unsigned rounds) : rounds_(rounds) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--json" && i + 1 < argc) {
      json_file_ = argv[++i];
    } else if (argument == "--rounds" && i + 1 < argc && std::atoi(argv[i + 1]) > 0) {
      rounds_ = static_cast<unsigned>(std::atoi(argv[++i]));
    } else {
      std::fprintf(argument == "--help" ? stdout : stderr, "usage: %s [--rounds N] [--json FILE]\n%s\n", argv[0], what);
      std::exit(argument == "--help" ? 0 : 2);
    }
  }
  become_multi_threaded();
}

Report::~Report() {
  if (json_file_.empty()) return;
  std::ofstream file(json_file_);
  file << "[\n" << json_ << "\n]\n";
  if (!file) std::fprintf(stderr, "%s: could not be written\n", json_file_.c_str());
}

void Report::section(const std::string& title, const std::vector<std::string>& columns) {
  title_ = title;
  columns_ = columns;
  fmt::print("\n{}\n", title);
  for (const std::string& column : columns) fmt::print("{:>18}", column);
  fmt::print("\n");
}

void Report::row(const std::vector<std::string>& keys, const std::vector<double>& values) {
  std::string object = fmt::format("  {{\"section\": \"{}\"", title_);
  std::size_t column = 0;
  for (const std::string& key : keys) {
    object += fmt::format(", \"{}\": \"{}\"", columns_[column++], key);
    fmt::print("{:>18}", key);
  }
  for (const double value : values) {
    object += fmt::format(", \"{}\": {:.4g}", columns_[column++], value);
    fmt::print("{:>18.2f}", value);
  }
  json_ += (json_.empty() ? "" : ",\n") + object + "}";
  fmt::print("\n");
  std::fflush(stdout);
}

}  // namespace keel::bench
