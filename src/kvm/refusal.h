// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "keel/base/error.h"

namespace keel::kvm {

// The file that KVM is opened by.
struct DeviceNode {
  mode_t mode = 0;
  uid_t owner = 0;
  gid_t group = 0;
  std::string group_name;  // its number where it has none
};
// Nothing where there is no such file.
[[nodiscard]] std::optional<DeviceNode> look_at(const std::string& path);

// Who opens it.
struct Caller {
  uid_t user = 0;
  std::vector<gid_t> groups;  // the effective one too
};
[[nodiscard]] Caller this_process();

// Why the system call failed, with the way out.
[[nodiscard]] Error explain_open(const std::string& path, int error_number, const std::optional<DeviceNode>& node,
                                 const Caller& caller);
// Source: Linux virt/kvm/kvm_main.c (kvm_create_vm), arch/x86/kvm/{vmx/vmx.c,svm/svm.c} (hardware_enable).
[[nodiscard]] Error explain_create_vm(int error_number);

}  // namespace keel::kvm
