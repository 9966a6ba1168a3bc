# shellcheck shell=bash
# SPDX-FileCopyrightText: The Keel authors
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# Small initial file systems: static busybox, an init, kernel modules in the order to load them, files. Uncompressed
# on purpose: unpacking costs a guest more than reading, most of all an emulated one. Needs common.sh.
# shellcheck source=scripts/lib/common.sh disable=SC2154
#
#   /init  /bin/busybox  /lib/guest.sh  /modules/order  /modules/NAME.ko

# initramfs_modules TREE KERNEL_DIR NAME…: copies the modules and what they need, stripped. That drops their signatures
# too, whose check is slow under emulation.
initramfs_modules() {
  local tree=$1 kernel=$2 version name verb file
  shift 2
  version=$(ls "$kernel/lib/modules")
  for name; do
    modprobe -C /dev/null -d "$kernel" -S "$version" --show-depends "$name" || die 1 "$version has no module '$name'"
  done | while read -r verb file _; do
    # The others are "builtin NAME": nothing to carry.
    [[ $verb == insmod && ! -e $tree/modules/${file##*/} ]] || continue
    strip --strip-debug -o "$tree/modules/${file##*/}" "$file"
    printf '%s\n' "${file##*/}"
  done >"$tree/modules/order"
}

# initramfs_program TREE PATH: copies it, with the libraries that it needs, to where they are here.
initramfs_program() {
  local tree=$1 path=$2 file
  for file in "$path" $(ldd "$path" | grep -o '/[^ ]*'); do
    mkdir -p "$tree$(dirname "$file")"
    cp -L "$file" "$tree$file"
  done
}

# initramfs_build OUT KERNEL_DIR INIT [--module NAME | --file SOURCE:DESTINATION | --program PATH]…: OUT appears whole or
# not at all.
initramfs_build() (
  out=$1 kernel=$2 init=$3
  shift 3
  umask 022
  tree=$(mktemp -d)
  partial=$(mktemp "$out.XXXXXX")
  trap 'rm -rf "$tree" "$partial"' EXIT
  chmod 755 "$tree"
  mkdir -p "$tree"/{bin,dev,lib,modules,mnt,proc,root,run,sys,tmp}
  cp /bin/busybox "$tree/bin/busybox"
  cp "$keel_root/scripts/guest/common.sh" "$tree/lib/guest.sh"
  install -m 755 "$init" "$tree/init"
  modules=()
  while (($#)); do
    case $1 in
      --module) modules+=("$2") ;;
      --file)
        mkdir -p "$tree/$(dirname "${2#*:}")"
        cp -L "${2%%:*}" "$tree/${2#*:}"
        ;;
      --program) initramfs_program "$tree" "$2" ;;
      *) die 2 "no option $1" ;;
    esac
    shift 2
  done
  initramfs_modules "$tree" "$kernel" "${modules[@]}"
  (cd "$tree" && find . -print0 | sort -z | cpio -0 -o -H newc -R 0:0 --quiet) >"$partial"
  chmod 644 "$partial"
  mv -T "$partial" "$out"
)
