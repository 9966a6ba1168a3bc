# shellcheck shell=bash
# SPDX-FileCopyrightText: The Keel authors
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# Guests of ours on the keel command. Needs common.sh, packages.sh, kernel.sh, initramfs.sh.
# shellcheck source=scripts/lib/common.sh disable=SC2154

# shellcheck disable=SC2034  # for those who source this
readonly keel_program=$keel_root/build/release/tools/keel/keel

# mebibytes TEXT: 512M, 2G, or a number of bytes as a number of MiB; fails on anything else.
mebibytes() {
  [[ $1 =~ ^([1-9][0-9]{0,14})([KMG]?)$ ]] || return 1
  case ${BASH_REMATCH[2]} in
    G) echo $((BASH_REMATCH[1] * 1024)) ;;
    M) echo "${BASH_REMATCH[1]}" ;;
    K) echo $(((BASH_REMATCH[1] + 1023) / 1024)) ;;
    *) echo $(((BASH_REMATCH[1] + 1048575) / 1048576)) ;;
  esac
}

# host_options MIB: prints what with-kvm has to offer for such a guest, as its options. One processor, however many
# vCPUs the guest has.
host_options() { printf '%s\n' -m $(($1 + 1536)); }

# guest_initramfs NAME [OPTION…]: makes build/guest/NAME.cpio around scripts/guest/init-NAME, with initramfs_build's
# options; sets guest_initrd. Always made anew: it takes less than a second.
guest_initramfs() {
  local name=$1
  shift
  packages_require initramfs && kernel_fetch cloud-amd64 && mkdir -p "$keel_root/build/guest" || return
  guest_initrd=$keel_root/build/guest/$name.cpio
  initramfs_build "$guest_initrd" "$kernel_dir" "$keel_root/scripts/guest/init-$name" "$@"
}

# The drivers of what a guest of the boot tests has besides, as initramfs_build's options.
# shellcheck disable=SC2034  # for those who source this
readonly -a guest_virtio_options=(--module virtio_mmio --module virtio-rng --module virtio_console)

# The drivers of a guest's disks, networks, entropy and console, and ext4, as initramfs_build's options.
readonly -a guest_io_options=(--module virtio_mmio --module virtio_blk --module virtio_net --module virtio-rng
  --module virtio_console --module ext4)

# guest_io_initramfs [OPTION…]: the same around init-io, with those.
guest_io_initramfs() { guest_initramfs io "${guest_io_options[@]}" "$@"; }
