# shellcheck shell=bash
# SPDX-FileCopyrightText: The Keel authors
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# Drives a command through a pseudo-terminal, as a user would. Needs check.sh.
# shellcheck disable=SC2154

# terminal_start SHELL-COMMAND: on a terminal of 33 rows and 101 columns.
terminal_start() {
  rm -f "$work/keys"
  mkfifo "$work/keys"
  : >"$work/screen"
  seen=0
  # A script's background jobs ignore the interrupt key, and would hand that on.
  env --default-signal=INT,QUIT script -q -e -E always -c "stty rows 33 columns 101; $1" /dev/null <"$work/keys" >"$work/screen" 2>&1 &
  terminal=$!
  exec {keys}>"$work/keys"
}

# terminal_shows TEXT SECONDS: waits until that appears after what earlier calls have found.
terminal_shows() {
  local end=$((SECONDS + $2)) at
  while ((SECONDS < end)); do
    at=$(tail -c +$((seen + 1)) "$work/screen" | grep -abo -m 1 -F -- "$1" | head -n 1 | cut -d: -f1)
    if [[ $at ]]; then
      seen=$((seen + at + ${#1}))
      return
    fi
    kill -0 "$terminal" 2>/dev/null || break
    sleep 0.2
  done
  printf "'%s' did not appear within %s s behind:\n" "$1" "$2"
  tail -c +$((seen + 1)) "$work/screen" | tail -n 80
  return 1
}

# terminal_type TEXT: with printf's escapes.
terminal_type() { printf '%b' "$1" >&"$keys"; }

# terminal_end: waits for the command, but for a minute at most; returns its status.
terminal_end() {
  local status=0 end=$((SECONDS + 60))
  while kill -0 "$terminal" 2>/dev/null && ((SECONDS < end)); do sleep 0.2; done
  # Its terminal goes with it, and what runs there gets the hangup.
  kill -KILL "$terminal" 2>/dev/null && echo "it had not ended after a minute"
  wait "$terminal" || status=$?
  exec {keys}>&-
  return "$status"
}
