// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <memory>
#include <string>

#include "keel/base/error.h"
#include "keel/devices/console_port.h"

namespace keel {

// A Unix stream socket at `path` as the outside of a console device's port: connected while a client is, one at a time;
// the next one waits until that one has gone. What the guest sends while there is none is lost. The socket goes with
// the port, and one that a program left behind makes room. Errors: kInvalidArgument (a path that no socket can have),
// kAlreadyExists (a file, or somebody who listens there), kIo, kPermissionDenied, kNotFound (the directory).
[[nodiscard]] Result<std::shared_ptr<ConsolePort>> listen_port(const std::string& path);

}  // namespace keel
