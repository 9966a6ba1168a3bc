# shellcheck shell=bash
# SPDX-FileCopyrightText: The Keel authors
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# What every script of this project starts with. Sets keel_root (the checkout) and keel_cache (what is worth keeping
# between runs), and how a script speaks: to stderr, under its own name, one line at a time.

program=$(basename "$0")
keel_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
keel_cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/keel
# shellcheck disable=SC2034  # read by those who source this
readonly program keel_root keel_cache
# depmod, modprobe, ip and mke2fs are there, and Debian does not have a user look there.
[[ :$PATH: == *:/usr/sbin:* ]] || export PATH=$PATH:/usr/sbin:/sbin

say() { printf '%s: %s\n' "$program" "$*" >&2; }

# die STATUS MESSAGE…
die() {
  local status=$1
  shift
  say "$@"
  exit "$status"
}

# print_banner FILE: the comment block a script opens with is its manual; prints it without the licence lines, and
# without what is said to shellcheck behind it.
print_banner() { awk 'NR > 3 { if (!/^#/ || /^# shellcheck /) exit; sub(/^# ?/, ""); print }' "$1"; }

# is_count TEXT: a positive decimal number that fits the shell's arithmetic.
is_count() { [[ $1 =~ ^[1-9][0-9]{0,8}$ ]]; }
