# shellcheck shell=bash
# SPDX-FileCopyrightText: The Keel authors
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# Counting what ctest ran. A GoogleTest program counts as its test cases, any other test as one. A case that was skipped
# has proved nothing: it counts apart, and is named at the end.

passed=0 failed=0 skipped=()
# What ran more than once, and why.
again=()

# xml_number FILE ATTRIBUTE: of the outermost element.
xml_number() { sed -n "/<testsuites/{s/.* $2=\"\([0-9]*\)\".*/\1/p;q}" "$1"; }

# skipped_cases XML: the names of a GoogleTest program's cases that were skipped, a line each.
skipped_cases() {
  sed -n 's/.*<testcase name="\([^"]*\)".* result="skipped".* classname="\([^"]*\)".*/\2.\1/p' "$1"
}

# count_program XML ctest-status: adds a GoogleTest program's cases. One that ctest failed although no case did has
# crashed, leaked or hung: that is a failure more.
count_program() {
  local xml=$1 status=$2 tests failures names
  tests=$(($(xml_number "$xml" tests) - $(xml_number "$xml" disabled)))
  failures=$(($(xml_number "$xml" failures) + $(xml_number "$xml" errors)))
  [[ $status == run || $failures -gt 0 ]] || failures=$((failures + 1)) tests=$((tests + 1))
  mapfile -t names < <(skipped_cases "$xml")
  skipped+=("${names[@]}")
  passed=$((passed + tests - failures - ${#names[@]})) failed=$((failed + failures))
}

# count_results DIRECTORY: adds what ctest (DIRECTORY/junit.xml) and GoogleTest (DIRECTORY/gtest/PROGRAM.xml) say.
count_results() {
  local directory=$1 name status before=$((passed + failed + ${#skipped[@]}))
  while read -r status name; do
    if [[ -s $directory/gtest/$name.xml ]]; then
      count_program "$directory/gtest/$name.xml" "$status"
    elif [[ $status == run ]]; then
      passed=$((passed + 1))
    else
      failed=$((failed + 1))
    fi
  done < <(sed -n 's/.*<testcase name="\([^"]*\)".* status="\([a-z]*\)".*/\2 \1/p' "$directory/junit.xml")
  # No tests at all is not success.
  ((passed + failed + ${#skipped[@]} > before)) || failed=$((failed + 1))
}

# guest_stood_still JUNIT: in the output of the tests a guest's kernel says that a processor of its did not go on.
guest_stood_still() {
  grep -q 'watchdog: BUG: soft lockup' "$1"
}

# print_results: the last lines of a run.
print_results() {
  ((${#again[@]} == 0)) || printf 'ran again: %s\n' "${again[@]}"
  ((${#skipped[@]} == 0)) || printf 'skipped: %s\n' "${skipped[@]}"
  echo "$passed passed, $failed failed, ${#skipped[@]} skipped"
}
