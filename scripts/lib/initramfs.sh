# shellcheck shell=bash
# SPDX-FileCopyrightText: The Keel authors
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# Small initial file systems: static busybox, an init, kernel modules in the order to load them, files. Uncompressed
# on purpose: unpacking costs a guest more than reading, most of all an emulated one. Needs common.sh.
# shellcheck source=scripts/lib/common.sh disable=SC2154
#
#   /init  /bin/busybox  /lib/guest.sh  /modules/order  /modules/NAME.ko

# Each step says what follows from its failure: bash forgets errexit in all that a caller asks about with "if", "&&" or
# "||", and an image without what failed would be trusted for ever where it is cached.

# initramfs_modules TREE KERNEL_DIR NAME…: copies the modules and what they need, stripped. That drops their signatures
# too, whose check is slow under emulation.
initramfs_modules() (
  tree=$1 kernel=$2
  shift 2
  set -o pipefail
  version=$(ls "$kernel/lib/modules") || exit
  for name; do
    modprobe -C /dev/null -d "$kernel" -S "$version" --show-depends "$name" || die 1 "$version has no module '$name'"
  done | while read -r verb file; do
    # Behind the path may stand what the kernel's command line has for the module.
    file=${file%.ko*}.ko
    # Lines of another kind are "builtin NAME": nothing to carry.
    [[ $verb == insmod && ! -e $tree/modules/${file##*/} ]] || continue
    strip --strip-debug -o "$tree/modules/${file##*/}" "$file" || exit
    printf '%s\n' "${file##*/}"
  done >"$tree/modules/order"
)

# initramfs_program TREE PATH: copies it, with the libraries that it needs, to where they are here.
initramfs_program() {
  local tree=$1 path=$2 file
  for file in "$path" $(ldd "$path" | grep -o '/[^ ]*'); do
    mkdir -p "$tree$(dirname "$file")" && cp -L "$file" "$tree$file" || return
  done
}

# initramfs_tree TREE KERNEL_DIR INIT OPTION…: fills TREE with what initramfs_build packs.
initramfs_tree() {
  local tree=$1 kernel=$2 init=$3
  local -a modules=()
  shift 3
  chmod 755 "$tree" &&
    mkdir -p "$tree"/{bin,dev,lib,modules,mnt,proc,root,run,sys,tmp} &&
    cp /bin/busybox "$tree/bin/busybox" &&
    cp "$keel_root/scripts/guest/common.sh" "$tree/lib/guest.sh" &&
    install -m 755 "$init" "$tree/init" || return
  while (($#)); do
    case $1 in
      --module) modules+=("$2") ;;
      --file) mkdir -p "$tree/$(dirname "${2#*:}")" && cp -L "${2%%:*}" "$tree/${2#*:}" || return ;;
      --program) initramfs_program "$tree" "$2" || return ;;
      *) die 2 "no option $1" ;;
    esac
    shift 2
  done
  initramfs_modules "$tree" "$kernel" "${modules[@]}"
}

# initramfs_build OUT KERNEL_DIR INIT [--module NAME | --file SOURCE:DESTINATION | --program PATH]…: OUT appears whole or
# not at all.
initramfs_build() (
  out=$1 tree='' partial=''
  shift
  set -o pipefail
  umask 022
  trap 'rm -rf "$tree" "$partial"' EXIT
  tree=$(mktemp -d) && partial=$(mktemp "$out.XXXXXX") && initramfs_tree "$tree" "$@" || exit
  (cd "$tree" && find . -print0 | sort -z | cpio -0 -o -H newc -R 0:0 --quiet) >"$partial" &&
    chmod 644 "$partial" && mv -T "$partial" "$out"
)
