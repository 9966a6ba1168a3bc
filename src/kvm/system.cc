// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/kvm/system.h"

#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "src/kvm/cpuid_list.h"
#include "src/kvm/ioctl.h"
#include "src/kvm/refusal.h"
#include "keel/base/try.h"
#include "keel/kvm/vm.h"

namespace keel::kvm {
namespace {

struct Need {
  int capability;
  std::string_view name;
};

constexpr std::array kNeeds = {
    Need{KVM_CAP_IRQCHIP, "KVM_CAP_IRQCHIP"},
    Need{KVM_CAP_PIT2, "KVM_CAP_PIT2"},
    Need{KVM_CAP_IRQFD, "KVM_CAP_IRQFD"},
    Need{KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD"},
    Need{KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY"},
    Need{KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT"},
    Need{KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID"},
};

}  // namespace

Result<System> System::open(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!fd) {
    const int error_number = errno;
    return std::unexpected(explain_open(path, error_number, look_at(path), this_process()));
  }

  const int version = ::ioctl(fd.get(), KVM_GET_API_VERSION, 0);
  if (version != KVM_API_VERSION) {
    return fail(ErrorCode::kUnsupported, "{} is no KVM of API version {}: it answers {}", path, KVM_API_VERSION,
                version);
  }
  for (const Need& need : kNeeds) {
    if (::ioctl(fd.get(), KVM_CHECK_EXTENSION, need.capability) <= 0) {
      return fail(ErrorCode::kUnsupported, "{} lacks {}, which Keel needs: a newer host kernel has it", path,
                  need.name);
    }
  }
  KEEL_TRY(const int run_size, call(fd.get(), KVM_GET_VCPU_MMAP_SIZE, 0, "KVM_GET_VCPU_MMAP_SIZE"));
  const int max_vcpus = ::ioctl(fd.get(), KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS);
  return System(std::move(fd), static_cast<unsigned>(std::max(max_vcpus, 1)), static_cast<std::size_t>(run_size));
}

Result<Vm> System::create_vm() const {
  for (;;) {
    const int fd = ::ioctl(fd_.get(), KVM_CREATE_VM, 0);
    if (fd >= 0) return Vm(UniqueFd(fd), run_size_);
    if (errno != EINTR) return std::unexpected(explain_create_vm(errno));
  }
}

Result<std::vector<x86_64::CpuidEntry>> System::supported_cpuid() const {
  CpuidList list;
  KEEL_TRY_VOID(call(fd_.get(), kGetSupportedCpuid, list.kernel_form(), "KVM_GET_SUPPORTED_CPUID"));
  return list.entries();
}

x86_64::TscDeadlineTimer System::tsc_deadline_timer() const noexcept {
  return ::ioctl(fd_.get(), KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) > 0 ? x86_64::TscDeadlineTimer::kPresent
                                                                                 : x86_64::TscDeadlineTimer::kAbsent;
}

}  // namespace keel::kvm
