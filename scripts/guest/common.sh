# shellcheck shell=sh
# SPDX-FileCopyrightText: The Keel authors
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# What every init of ours starts with; /lib/guest.sh in the initramfs. Busybox carries its applets within.

export PATH=/bin:/sbin:/usr/bin:/usr/sbin

# guest_mount: /dev, /proc and /sys.
guest_mount() {
  /bin/busybox mount -t devtmpfs dev /dev
  /bin/busybox mount -t proc proc /proc
  /bin/busybox mount -t sysfs sys /sys
}

# guest_modules: loads what the initramfs carries, what is needed first. A module whose device is absent may refuse.
guest_modules() {
  while read -r module; do
    /bin/busybox insmod "/modules/$module"
  done </modules/order
}

# guest_uptime: seconds since the kernel started.
guest_uptime() {
  read -r uptime _ </proc/uptime
  echo "$uptime"
}
