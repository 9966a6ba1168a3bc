# shellcheck shell=bash
# SPDX-FileCopyrightText: The Keel authors
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# Building by preset. Needs common.sh, packages.sh.
# shellcheck source=scripts/lib/common.sh disable=SC2154

# build_configure PRESET [CMAKE ARGUMENT…]
build_configure() {
  local preset=$1
  shift
  if command -v ccache >/dev/null; then export CMAKE_CXX_COMPILER_LAUNCHER=${CMAKE_CXX_COMPILER_LAUNCHER-ccache}; fi
  (cd "$keel_root" && cmake --preset "$preset" "$@" >/dev/null)
}

# build_preset PRESET [TARGET…]: configures and builds into build/PRESET.
build_preset() {
  local preset=$1
  local -a targets=()
  shift
  (($# == 0)) || targets=(--target "$@")
  say "building the $preset preset"
  build_configure "$preset" && cmake --build "$keel_root/build/$preset" --parallel "$(nproc)" "${targets[@]}" >&2
}
