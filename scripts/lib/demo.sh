# shellcheck shell=bash
# SPDX-FileCopyrightText: The Keel authors
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# What ./run --demo has to see in the words of scripts/guest/init-demo.

# demo_section LOG NAME: the lines between that marker and the next.
demo_section() { tr -d '\r' <"$1" | sed -n "/^keel-demo: $2\$/,/^keel-demo: /p" | sed '1d;$d'; }

# demo_check LOG KERNEL_VERSION CPUS NOW: prints a line for everything that is not as it should be; fails if there is any.
# NOW is the host's time in seconds since 1970; the guest's may be ten minutes off, since it may run on slow emulation.
demo_check() {
  local log=$1 version=$2 cpus=$3 now=$4 clock seconds
  local -a wrong=()
  demo_section "$log" kernel | grep -qF "Linux version $version " || wrong+=("the kernel's version, $version")
  demo_section "$log" iomem | grep -qE '^[0-9a-f]+-[0-9a-f]+ : System RAM$' || wrong+=("System RAM in /proc/iomem")
  demo_section "$log" interrupts | grep -qE '^ *[0-9]+: .*ttyS0' || wrong+=("the serial port in /proc/interrupts")
  clock=$(demo_section "$log" clock)
  seconds=$(date -u -d "$clock" +%s 2>/dev/null) || seconds=0
  ((seconds > now - 600 && seconds < now + 600)) || wrong+=("the time of day (it says '$clock')")
  [[ $(demo_section "$log" cpus) == "$cpus" ]] || wrong+=("$cpus CPUs (it says '$(demo_section "$log" cpus)')")
  demo_section "$log" disk | grep -qxF '4 MiB written and read back' || wrong+=("the disk, written and read back")
  demo_section "$log" network | grep -qxF 'hello from the host' || wrong+=("the host's file, over the network")
  ((${#wrong[@]} == 0)) || printf 'not seen: %s\n' "${wrong[@]}"
  ((${#wrong[@]} == 0))
}
