# shellcheck shell=bash
# SPDX-FileCopyrightText: The Keel authors
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# Debian's kernels, taken from their packages and unpacked into the cache; nothing is installed. Needs common.sh and
# packages.sh.
# shellcheck source=scripts/lib/common.sh disable=SC2154
#
#   $keel_cache/kernel/FLAVOUR/current -> VERSION
#   $keel_cache/kernel/FLAVOUR/VERSION/{vmlinuz,vmlinux,config,lib/modules/VERSION/}

# le_number FILE OFFSET BYTES: an unsigned little-endian field.
le_number() { od -A n -t "u$3" --endian=little -j "$2" -N "$3" "$1" | tr -d ' \n'; }

# bzimage_unpack BZIMAGE VMLINUX: the ELF kernel a bzImage carries, found by the setup header (Linux
# Documentation/x86/boot.rst: setup_sects 0x1f1, HdrS 0x202, payload_offset 0x248, payload_length 0x24c). The payload's
# last four bytes are the unpacked size; gzip has them as part of its own format, the others have them appended.
bzimage_unpack() {
  local image=$1 elf=$2 sectors start length size trailer=4
  local -a unpack
  [[ $(od -A n -c -j $((0x202)) -N 4 "$image" | tr -d ' ') == HdrS ]] || die 1 "$image is not a bzImage: no HdrS at 0x202"
  sectors=$(le_number "$image" $((0x1f1)) 1)
  ((sectors)) || sectors=4
  start=$(((sectors + 1) * 512 + $(le_number "$image" $((0x248)) 4)))
  length=$(le_number "$image" $((0x24c)) 4)
  size=$(le_number "$image" $((start + length - 4)) 4)
  case $(od -A n -t x1 -j "$start" -N 4 "$image" | tr -d ' \n') in
    fd377a58) unpack=(xz -dc) ;;
    28b52ffd) unpack=(zstd -dcq) ;;
    02214c18) unpack=(lz4 -dcq) ;;
    1f8b*) unpack=(gzip -dc) trailer=0 ;;
    *) die 1 "$image: the payload at $start is packed in a way that is neither xz, zstd, lz4 nor gzip" ;;
  esac
  # Not pipefail: head leaves tail with nobody to write to, rightly. The size below says whether all came through.
  (set +o pipefail && tail -c +$((start + 1)) "$image" | head -c $((length - trailer)) | "${unpack[@]}" >"$elf") ||
    die 1 "$image: ${unpack[0]} could not unpack the payload of $length bytes at $start"
  [[ $(stat -c %s "$elf") == "$size" && $(head -c 4 "$elf" | tail -c 3) == ELF ]] ||
    die 1 "$image: unpacked to $(stat -c %s "$elf") bytes, and not to an ELF kernel of $size"
}

# kernel_package FLAVOUR: the versioned package that linux-image-FLAVOUR depends on.
kernel_package() {
  LC_ALL=C apt-cache depends "linux-image-$1" 2>/dev/null |
    sed -n 's/^ *Depends: *\(linux-image-[0-9][^ ]*\)$/\1/p' | head -n 1
}

# kernel_download FLAVOUR DIRECTORY: puts the package there, as DIRECTORY/linux-image-….deb.
kernel_download() {
  local flavour=$1 directory=$2 package try
  # The lists may lack or be older than the archive: then a second try after an update.
  for try in 1 2; do
    package=$(kernel_package "$flavour") || true
    if [[ $package ]]; then
      say "downloading $package"
      # As root apt would change to a user that can't write here, and complain; the download is checked either way.
      (cd "$directory" && apt-get -q -o APT::Sandbox::User=root download "$package" >&2) && return
    fi
    ((try == 1)) || break
    say "updating the package lists"
    as_root apt-get -q update >&2 || break
  done
  die 1 "could not download linux-image-$flavour; is it in your apt sources? As root type: apt-get update"
}

# Below, each step says what follows from its failure: bash forgets errexit in all that a caller asks about with "if",
# "&&" or "||", and a half-made tree in the cache would be trusted for ever.

# kernel_unpack DEB DIRECTORY: lays out DIRECTORY as the banner above shows.
kernel_unpack() {
  local deb=$1 directory=$2 version
  dpkg-deb -x "$deb" "$directory/package" || return
  version=$(basename "$directory"/package/boot/vmlinuz-*)
  version=${version#vmlinuz-}
  mv "$directory/package/lib" "$directory/lib" &&
    mv "$directory/package/boot/vmlinuz-$version" "$directory/vmlinuz" &&
    mv "$directory/package/boot/config-$version" "$directory/config" &&
    rm -rf "$directory/package" "$deb" &&
    depmod -b "$directory" "$version" &&
    bzimage_unpack "$directory/vmlinuz" "$directory/vmlinux"
}

# kernel_build FLAVOUR HOME: makes HOME/VERSION anew and points HOME/current at it, both by renames. In a process of its
# own, so that whatever ends it takes the half-made tree along.
kernel_build() (
  flavour=$1 home=$2
  umask 022
  partial=$(mktemp -d "$home/.partial.XXXXXX") || exit
  trap 'rm -rf "$partial"' EXIT
  mkdir "$partial/new" && kernel_download "$flavour" "$partial/new" || exit
  say "unpacking it"
  kernel_unpack "$partial"/new/*.deb "$partial/new" || die 1 "could not unpack the kernel's package"
  version=$(ls "$partial/new/lib/modules") || exit
  # A rename does not replace a directory.
  [[ ! -e $home/$version ]] || mv -T "$home/$version" "$partial/old" || exit
  mv -T "$partial/new" "$home/$version" && ln -s "$version" "$partial/current" &&
    mv -T "$partial/current" "$home/current"
)

# kernel_fetch FLAVOUR [refresh]: sets kernel_dir and kernel_version. What is cached is used without asking the network,
# unless told to refresh. Safe when several run at once: one works, the others wait, and what is seen is complete.
kernel_fetch() {
  local flavour=$1 refresh=${2:-} home=$keel_cache/kernel/$1 lock status=0
  case $flavour in amd64 | cloud-amd64) ;; *) die 2 "no kernel flavour '$flavour'; there are amd64 and cloud-amd64" ;; esac
  if [[ $refresh || ! -e $home/current/vmlinux ]]; then
    packages_require kernel && mkdir -p "$home" && exec {lock}>"$home/lock" && flock "$lock" || return
    [[ ! $refresh && -e $home/current/vmlinux ]] || kernel_build "$flavour" "$home" || status=$?
    exec {lock}>&-
    ((status == 0)) || return "$status"
  fi
  # shellcheck disable=SC2034  # the answer
  kernel_version=$(readlink "$home/current") kernel_dir=$home/$(readlink "$home/current")
}
