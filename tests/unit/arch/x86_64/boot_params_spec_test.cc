// SPDX-FileCopyrightText: The Keel authors
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

#include "keel/arch/x86_64/boot_params_spec.h"

#include <cstddef>

#include <asm/bootparam.h>

// The kernel's own declaration of the same structure is the oracle.
namespace keel::x86_64::boot_params {
namespace {

static_assert(kSize == sizeof(::boot_params));
static_assert(kAcpiRsdpAddr == offsetof(::boot_params, acpi_rsdp_addr));
static_assert(kE820Entries == offsetof(::boot_params, e820_entries));
static_assert(kE820Table == offsetof(::boot_params, e820_table));
static_assert(kE820EntrySize == sizeof(::boot_e820_entry));
static_assert(kE820MaxEntries == E820_MAX_ENTRIES_ZEROPAGE);
static_assert(kSetupHeaderMaxEnd == offsetof(::boot_params, edd_mbr_sig_buffer));

constexpr std::size_t header(std::size_t offset) {
  return offsetof(::boot_params, hdr) + offset;
}
static_assert(kSetupSects == header(offsetof(::setup_header, setup_sects)));
static_assert(kSyssize == header(offsetof(::setup_header, syssize)));
static_assert(kVidMode == header(offsetof(::setup_header, vid_mode)));
static_assert(kBootFlag == header(offsetof(::setup_header, boot_flag)));
static_assert(kJump == header(offsetof(::setup_header, jump)));
static_assert(kHeader == header(offsetof(::setup_header, header)));
static_assert(kVersion == header(offsetof(::setup_header, version)));
static_assert(kTypeOfLoader == header(offsetof(::setup_header, type_of_loader)));
static_assert(kLoadflags == header(offsetof(::setup_header, loadflags)));
static_assert(kRamdiskImage == header(offsetof(::setup_header, ramdisk_image)));
static_assert(kRamdiskSize == header(offsetof(::setup_header, ramdisk_size)));
static_assert(kCmdLinePtr == header(offsetof(::setup_header, cmd_line_ptr)));
static_assert(kInitrdAddrMax == header(offsetof(::setup_header, initrd_addr_max)));
static_assert(kKernelAlignment == header(offsetof(::setup_header, kernel_alignment)));
static_assert(kXloadflags == header(offsetof(::setup_header, xloadflags)));
static_assert(kCmdlineSize == header(offsetof(::setup_header, cmdline_size)));
static_assert(kSetupData == header(offsetof(::setup_header, setup_data)));
static_assert(kPrefAddress == header(offsetof(::setup_header, pref_address)));
static_assert(kInitSize == header(offsetof(::setup_header, init_size)));
static_assert(kSetupHeaderMinEnd == header(offsetof(::setup_header, handover_offset)));
static_assert(kXlfKernel64 == XLF_KERNEL_64);
static_assert(kLoadedHigh == LOADED_HIGH);

}  // namespace
}  // namespace keel::x86_64::boot_params
