// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "src/kvm/refusal.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <fstream>
#include <string_view>

namespace keel::kvm {
namespace {

constexpr mode_t kGroupMayUse = S_IRGRP | S_IWGRP;

// The group's name in /etc/group, or its number. getgrgid() would pull the host's name services into a static program.
std::string group_name(gid_t gid) {
  const std::string number = fmt::format("{}", gid);
  std::ifstream groups("/etc/group");
  for (std::string line; std::getline(groups, line);) {
    const auto name_end = line.find(':');
    const auto id_begin = name_end == std::string::npos ? name_end : line.find(':', name_end + 1);
    if (id_begin == std::string::npos) continue;
    const std::string_view rest = std::string_view(line).substr(id_begin + 1);
    if (rest.substr(0, rest.find(':')) == number) return line.substr(0, name_end);
  }
  return number;
}

// What would let `caller` open it.
std::string way_in(const std::string& path, const DeviceNode& node, const Caller& caller) {
  const mode_t mode = node.mode & 0777u;
  const std::string give = fmt::format("sudo chgrp kvm {} && sudo chmod 660 {}", path, path);
  if ((mode & kGroupMayUse) != kGroupMayUse) {
    return fmt::format(
        "its mode {:04o} lets no group read and write it, so that joining one does not help; an administrator "
        "gives it to the group kvm ({}, and a udev rule to keep it so), which this user then joins",
        mode, give);
  }
  if (node.group == 0) {
    return fmt::format(
        "it belongs to root and the group root, which is not for users to join; an administrator gives it to the "
        "group kvm ({}, and a udev rule to keep it so), which this user then joins",
        give);
  }
  if (std::ranges::find(caller.groups, node.group) != caller.groups.end()) {
    return fmt::format(
        "this process is in its group \"{}\", which may, so something else forbids it: a security module, or the "
        "rules of a container that was not given the device",
        node.group_name);
  }
  return fmt::format("join its group \"{}\" (sudo usermod -aG {} \"$USER\", then log in again)", node.group_name,
                     node.group_name);
}

}  // namespace

std::optional<DeviceNode> look_at(const std::string& path) {
  struct stat status = {};
  if (::stat(path.c_str(), &status) != 0) return std::nullopt;
  return DeviceNode{
      .mode = status.st_mode, .owner = status.st_uid, .group = status.st_gid, .group_name = group_name(status.st_gid)};
}

Caller this_process() {
  std::vector<gid_t> groups(static_cast<std::size_t>(std::max(::getgroups(0, nullptr), 0)));
  const int count = ::getgroups(static_cast<int>(groups.size()), groups.data());
  groups.resize(static_cast<std::size_t>(std::max(count, 0)));
  groups.push_back(::getegid());
  return {.user = ::geteuid(), .groups = std::move(groups)};
}

Error explain_open(const std::string& path, int error_number, const std::optional<DeviceNode>& node,
                   const Caller& caller) {
  if (error_number == EACCES || error_number == EPERM) {
    const std::string advice =
        node ? way_in(path, *node, caller) : std::string("a directory on the way to it may not be searched");
    return {ErrorCode::kPermissionDenied,
            fmt::format("{} may not be opened by user {}: {}", path, caller.user, advice)};
  }
  if (error_number == ENOENT || error_number == ENODEV || error_number == ENXIO) {
    return {ErrorCode::kNotFound,
            fmt::format("{} is not there: this machine has no hardware virtualisation, or it is switched off in the "
                        "firmware, or the module kvm_intel or kvm_amd is not loaded",
                        path)};
  }
  return system_error(error_number, fmt::format("open {}", path));
}

Error explain_create_vm(int error_number) {
  switch (error_number) {
    case EBUSY:
      return {ErrorCode::kInvalidState,
              "KVM_CREATE_VM found the processors' virtualisation in use: another hypervisor (VirtualBox, VMware) runs "
              "machines on this host; end those, or unload its module (VirtualBox: vboxdrv)"};
    case ENODEV:
    case EOPNOTSUPP:
      return {ErrorCode::kUnsupported,
              "KVM_CREATE_VM found no hardware virtualisation: the processor has none, or it is switched off in the "
              "firmware (Intel: VT-x, AMD: SVM), or this host is a virtual machine whose own host does not pass it on"};
    case EACCES:
    case EPERM:
      return {ErrorCode::kPermissionDenied,
              "KVM_CREATE_VM is forbidden to this process though it could open the device: by a system call filter or "
              "a security module"};
    case EMFILE:
    case ENFILE:
      return {ErrorCode::kExhausted,
              fmt::format("KVM_CREATE_VM got no file descriptor: {}",
                          error_number == EMFILE ? "this process has as many open as it may (ulimit -n)"
                                                 : "the host has as many open as it can (sysctl fs.file-max)")};
    case ENOMEM: return {ErrorCode::kExhausted, "KVM_CREATE_VM: the host's kernel has no memory left for a machine"};
    default: return system_error(error_number, "KVM_CREATE_VM");
  }
}

}  // namespace keel::kvm
