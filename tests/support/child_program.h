// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <utmp.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace keel::testing {

// A program that runs beside the test, which reads what it says and types what it is told: on a pseudo-terminal, or on
// pipes. It is killed where the test ends first.
class ChildProgram {
 public:
  // kOtherTerminal: a terminal that is not the one its session is controlled by, as supervisors hand over.
  enum class Wiring { kTerminal, kOtherTerminal, kPipes, kOutputOnly };

  ChildProgram(const std::vector<std::string>& command, Wiring wiring) {
    std::vector<char*> arguments;
    for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    if (wiring == Wiring::kTerminal || wiring == Wiring::kOtherTerminal)
      start_on_terminal(arguments, wiring);
    else
      start_on_pipes(arguments, wiring);
  }
  ChildProgram(const ChildProgram&) = delete;
  ChildProgram& operator=(const ChildProgram&) = delete;
  ~ChildProgram() {
    if (process_ > 0) {
      ::kill(process_, SIGKILL);
      ::waitpid(process_, nullptr, 0);
    }
    ::close(output_);
    if (input_ >= 0 && input_ != output_) ::close(input_);
    if (terminal_ >= 0) ::close(terminal_);
  }

  // Reads until `text` has been said; false where the program ends or the limit passes first.
  bool wait_for(std::string_view text, std::chrono::seconds limit = std::chrono::seconds(120)) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    while (said_.find(text, seen_) == std::string::npos) {
      if (!read_more(deadline)) return false;
    }
    seen_ = said_.find(text, seen_) + text.size();
    return true;
  }

  void type(std::string_view text) const {
    while (!text.empty()) {
      const ssize_t count = ::write(input_, text.data(), text.size());
      if (count <= 0) return;
      text.remove_prefix(static_cast<std::size_t>(count));
    }
  }
  void close_input() {
    ::close(input_);
    input_ = -1;
  }
  void signal(int number) const { ::kill(process_, number); }

  // The same without reading on, as somebody does who has stopped looking.
  int wait_without_reading() {
    int status = 0;
    ::waitpid(process_, &status, 0);
    process_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

  // Reads the rest and returns the exit status, or 128 + the signal that ended it.
  int wait() {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(120);
    while (read_more(deadline)) {
    }
    // One that says nothing more and does not end either is at fault; it must not take the other tests along.
    if (std::chrono::steady_clock::now() >= deadline) ::kill(process_, SIGKILL);
    return wait_without_reading();
  }

  // Of the terminal that it runs on.
  void resize_terminal(unsigned short columns, unsigned short rows) const {
    const winsize size = {.ws_row = rows, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
    if (::ioctl(output_, TIOCSWINSZ, &size) != 0) std::abort();
  }

  // Everything that it said so far, on standard output and standard error.
  [[nodiscard]] const std::string& said() const noexcept { return said_; }

  // The terminal's settings before the program started, and as they are.
  [[nodiscard]] const termios& terminal_settings_before() const noexcept { return before_; }
  [[nodiscard]] termios terminal_settings() const {
    termios settings = {};
    ::tcgetattr(terminal_, &settings);
    return settings;
  }

 private:
  void start_on_terminal(std::vector<char*>& arguments, Wiring wiring) {
    if (::openpty(&output_, &terminal_, nullptr, nullptr, nullptr) < 0) std::abort();
    input_ = output_;
    ::fcntl(output_, F_SETFD, FD_CLOEXEC);
    ::tcgetattr(terminal_, &before_);
    process_ = ::fork();
    if (process_ != 0) return;
    if (wiring == Wiring::kTerminal) {
      ::login_tty(terminal_);
    } else {
      ::setsid();
      for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(terminal_, fd);
    }
    ::execv(arguments[0], arguments.data());
    ::_exit(127);
  }

  void start_on_pipes(std::vector<char*>& arguments, Wiring wiring) {
    std::array<int, 2> in = {-1, -1};
    std::array<int, 2> out = {-1, -1};
    if (::pipe2(in.data(), O_CLOEXEC) < 0 || ::pipe2(out.data(), O_CLOEXEC) < 0) std::abort();
    process_ = ::fork();
    if (process_ == 0) {
      if (wiring == Wiring::kPipes)
        ::dup2(in[0], STDIN_FILENO);
      else
        ::close(STDIN_FILENO);
      ::dup2(out[1], STDOUT_FILENO);
      ::dup2(out[1], STDERR_FILENO);
      ::execv(arguments[0], arguments.data());
      ::_exit(127);
    }
    ::close(in[0]);
    ::close(out[1]);
    input_ = in[1];
    output_ = out[0];
  }

  bool read_more(std::chrono::steady_clock::time_point deadline) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    pollfd wait = {output_, POLLIN, 0};
    // A terminal's other end is held open by us, so its end is the end of the process.
    const int step = terminal_ >= 0 ? 200 : static_cast<int>(left.count());
    const int ready = ::poll(&wait, 1, step);
    if (ready == 0) return terminal_ < 0 || !has_ended();
    std::array<char, 4096> bytes;
    const ssize_t count = ::read(output_, bytes.data(), bytes.size());
    if (count <= 0) return count < 0 && errno == EINTR;
    said_.append(bytes.data(), static_cast<std::size_t>(count));
    return true;
  }

  [[nodiscard]] bool has_ended() const {
    siginfo_t info = {};
    return ::waitid(P_PID, static_cast<id_t>(process_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0;
  }

  pid_t process_ = -1;
  int input_ = -1;
  int output_ = -1;
  int terminal_ = -1;  // the program's end of the pseudo-terminal
  termios before_ = {};
  std::string said_;
  std::size_t seen_ = 0;  // what wait_for() has passed already
};

}  // namespace keel::testing
