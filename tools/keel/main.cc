// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <ctime>
#include <exception>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "tools/keel/inspect_command.h"
#include "tools/keel/run_command.h"
#include "keel/vmm/ending.h"

namespace {

// When this process began: now, less the processor time it has had, most of which went into loading it.
std::chrono::nanoseconds process_start() {
  timespec used = {};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return std::chrono::steady_clock::now().time_since_epoch() - std::chrono::seconds(used.tv_sec) -
         std::chrono::nanoseconds(used.tv_nsec);
}

// Threads get small stacks: the host may back the first touch of a large one by a huge page, 2 MiB for a few KiB.
void keep_stacks_small() {
  constexpr std::size_t kStackSize = 256 << 10;
  pthread_attr_t attributes;
  if (::pthread_attr_init(&attributes) != 0) return;
  if (::pthread_attr_setstacksize(&attributes, kStackSize) == 0) ::pthread_setattr_default_np(&attributes);
  ::pthread_attr_destroy(&attributes);
}

// A descriptor of ours must never be taken for standard input, output or error that somebody closed.
void fill_standard_descriptors() {
  int fd = 0;
  do fd = ::open("/dev/null", O_RDWR);
  while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd > STDERR_FILENO) ::close(fd);
}

// Those after the program's name, last first, as CLI11 wants them. "--option=" becomes two: CLI11 would take what
// follows for the value.
std::vector<std::string> arguments_of(int argc, char** argv) {
  std::vector<std::string> arguments;
  for (std::string argument : std::span(argv, static_cast<std::size_t>(argc)).subspan(argc == 0 ? 0 : 1)) {
    const bool is_empty_value = argument.starts_with("--") && argument.find('=') == argument.size() - 1;
    if (is_empty_value) argument.pop_back();
    arguments.push_back(std::move(argument));
    if (is_empty_value) arguments.emplace_back();
  }
  std::ranges::reverse(arguments);
  return arguments;
}

int run(int argc, char** argv) {
  const auto started_at = process_start();
  fill_standard_descriptors();
  keep_stacks_small();
  CLI::App app("keel: a virtual machine monitor made of Keel's own parts", "keel");
  app.set_version_flag("--version", "keel " KEEL_VERSION);
  app.require_subcommand(1);
  app.footer(
      "Exit status of `keel run`: 0 the guest powered off, 1 the host could not go on, 2 wrong use,\n"
      "3 the guest restarted, 4 the guest panicked, 5 the guest crashed (triple fault), 6 left with Ctrl-A x,\n"
      "128 + N ended by signal N.");

  keel::tool::RunCommand run_command(started_at);
  run_command.add_to(app);
  keel::tool::InspectCommand inspect_command;
  inspect_command.add_to(app);
  try {
    app.parse(arguments_of(argc, argv));
  } catch (const CLI::Success& success) {
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    fmt::print(stderr, "keel: {} (try `keel --help`)\n", error.what());
    return keel::kWrongUseStatus;
  }
  return inspect_command.chosen() ? inspect_command.execute() : run_command.execute();
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    // The libraries of the command line throw on lack of memory; Keel's own code does not throw.
    fmt::print(stderr, "keel: {}\n", error.what());
    return keel::exit_status(keel::EndReason::kFailed);
  }
}
