// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <string>
#include <vector>

#include "tools/keel-slirp/slirp_stack.h"
#include "keel/backends/user_network.h"
#include "keel/base/try.h"

// keel-slirp FORWARD…: user-mode networking for one guest, whose frames come and go through descriptor 3. Started by
// keel (keel/backends/user_network.h); says "ready" there, or what is wrong, and ends with it.
namespace {

constexpr int kSocket = 3;

keel::Result<std::unique_ptr<keel::slirp::SlirpStack>> start(int count, char** words) {
  std::vector<keel::HostForward> forwards;
  for (int i = 1; i < count; ++i) {
    KEEL_TRY(forwards.emplace_back(), keel::parse_host_forward(words[i]));
  }
  return keel::slirp::SlirpStack::create(kSocket, forwards);
}

void tell(std::string_view text) {
  static_cast<void>(::send(kSocket, text.data(), text.size(), MSG_NOSIGNAL));
}

}  // namespace

int main(int count, char** words) {
  // Keys typed at keel's terminal are keel's business.
  for (const int ignored : {SIGINT, SIGQUIT, SIGHUP, SIGPIPE}) std::signal(ignored, SIG_IGN);
  // What a guest makes of this program gains nothing, and leaves no trace of the guest's data.
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  const rlimit none = {.rlim_cur = 0, .rlim_max = 0};
  ::setrlimit(RLIMIT_CORE, &none);

  auto stack = start(count, words);
  if (!stack) {
    tell(stack.error().message());
    return 1;
  }
  tell("ready");
  (*stack)->run();
  return 0;
}
