# shellcheck shell=bash
# SPDX-FileCopyrightText: The Keel authors
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# What the tests of the shell side start with. A test is a script that ends with check_end.

set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
# shellcheck disable=SC2034  # for the tests
with_kvm=$root/scripts/with-kvm
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

# check WHAT COMMAND…: the command must succeed.
check() {
  local what=$1
  shift
  if "$@"; then
    printf 'ok      %s\n' "$what"
  else
    printf 'FAILED  %s: %s\n' "$what" "$*"
    failures=$((failures + 1))
  fi
}

# expect WHAT WANTED ACTUAL
expect() {
  if [[ $2 == "$3" ]]; then
    printf 'ok      %s\n' "$1"
  else
    printf "FAILED  %s: wanted '%s', got '%s'\n" "$1" "$2" "$3"
    failures=$((failures + 1))
  fi
}

check_end() {
  ((failures == 0)) || printf '%s checks failed\n' "$failures"
  exit $((failures != 0))
}
