// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace keel::bench {

// One way to do the work. A pass does all of it once and returns how many answers were wrong.
struct Contender {
  std::string name;
  std::function<std::uint64_t()> pass;
};

// What a contender took per item of work. The speed of a host drifts, so the ratio is the median over rounds of this
// contender's time by the first one's in the same round.
struct Figure {
  std::string name;
  double median_ns;
  double minimum_ns;
  double ratio;
};

// Runs every contender once per round, in turn, and throws std::runtime_error if one answers wrongly. A tenth of the
// rounds before that is to warm up.
std::vector<Figure> interleave(std::span<const Contender> contenders, std::size_t items_per_pass, unsigned rounds);

double median(std::vector<double> values);
double minimum(const std::vector<double>& values);
double now_ns();

// Until a process has had a second thread, the C library skips the atomics of its locks and of shared_ptr.
void become_multi_threaded();

// A row of results, printed as a line of a table and written as an object of JSON.
class Report {
 public:
  // Arguments: [--json FILE] [--rounds N] [--help]. Ends the process where they are wrong.
  Report(int argc, char** argv, const char* what, unsigned rounds = 100);
  // Writes the JSON, if asked to.
  ~Report();
  Report(const Report&) = delete;
  Report& operator=(const Report&) = delete;

  [[nodiscard]] unsigned rounds() const noexcept { return rounds_; }
  void section(const std::string& title, const std::vector<std::string>& columns);
  // `keys` name the row, `values` are its numbers; printed in the order of the section's columns.
  void row(const std::vector<std::string>& keys, const std::vector<double>& values);

 private:
  std::string json_file_;
  std::string json_;
  std::string title_;
  std::vector<std::string> columns_;
  unsigned rounds_;
};

}  // namespace keel::bench
