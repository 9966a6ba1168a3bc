# shellcheck shell=bash
# SPDX-FileCopyrightText: The Keel authors
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# Which Debian packages each purpose needs, and how to get those that lack. Needs common.sh.

declare -rA packages_of=(
  [build]='acpica-tools g++ cmake ninja-build pkg-config libfmt-dev liburcu-dev libgtest-dev libgmock-dev libcli11-dev
           nlohmann-json3-dev liburing-dev libslirp-dev'
  [sanitizers]='clang-19 libclang-rt-19-dev'
  [lint]='shellcheck clang-format-19 git'
  [kernel]='kmod xz-utils zstd lz4 gzip'
  [initramfs]='busybox-static cpio kmod binutils'
  [boot]='e2fsprogs iproute2'
  [nested]='qemu-system-x86 busybox-static cpio kmod binutils xz-utils'
  [scripts]='procps'
  [microvm]='qemu-system-x86'
)

# packages_missing PURPOSE…: prints the packages that are not installed, one a line.
packages_missing() {
  local purpose
  local -a wanted=()
  for purpose; do
    # shellcheck disable=SC2206  # a list of words
    wanted+=(${packages_of[$purpose]})
  done
  if ! command -v dpkg-query >/dev/null; then
    die 1 "this needs Debian's packages and dpkg; on another system install the like of: ${wanted[*]}"
  fi
  comm -23 <(printf '%s\n' "${wanted[@]}" | sort -u) \
    <(dpkg-query -W -f='${db:Status-Status} ${Package}\n' 2>/dev/null | sed -n 's/^installed //p' | sort -u)
}

# as_root COMMAND…: runs it as root, or fails when there is no way to.
as_root() {
  if ((EUID == 0)); then
    "$@"
  elif command -v sudo >/dev/null; then
    # Without a terminal nobody can type a password, so don't let sudo wait for one.
    if [[ -t 0 ]]; then sudo "$@"; else sudo -n "$@"; fi
  else
    return 1
  fi
}

# packages_require PURPOSE…: installs what lacks. Says what; when it can't, says what to type, and fails.
packages_require() {
  local -a missing get
  mapfile -t missing < <(packages_missing "$@")
  ((${#missing[@]})) || return 0
  say "installing ${missing[*]}"
  get=(env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300)
  # The package lists may be absent or older than the archive: then a second try after an update.
  as_root "${get[@]}" install --no-install-recommends "${missing[@]}" >&2 && return
  as_root "${get[@]}" update >&2 && as_root "${get[@]}" install --no-install-recommends "${missing[@]}" >&2 && return
  say "could not install them; as root type: apt-get install --no-install-recommends ${missing[*]}"
  return 1
}
