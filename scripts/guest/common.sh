# shellcheck shell=sh
# SPDX-FileCopyrightText: The Keel authors
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# What every init of ours starts with; /lib/guest.sh in the initramfs. Busybox is everything there is.

export PATH=/bin:/sbin:/usr/bin:/usr/sbin

# guest_mount: /dev, /proc and /sys.
guest_mount() {
  /bin/busybox mount -t devtmpfs dev /dev
  /bin/busybox mount -t proc proc /proc
  /bin/busybox mount -t sysfs sys /sys
}

# guest_modules: loads what the initramfs carries, what is needed first. A module whose device is absent may refuse.
guest_modules() { guest_modules_but none; }

# guest_modules_but MODULE: the same, without that one.
guest_modules_but() {
  while read -r module; do
    [ "$module" = "$1" ] || /bin/busybox insmod "/modules/$module"
  done </modules/order
}

# guest_net: gives eth0, where there is one, its place in the network that user-mode networking always makes.
guest_net() {
  [ -e /sys/class/net/eth0 ] || return 0
  /bin/busybox ip link set lo up
  /bin/busybox ip link set eth0 up
  /bin/busybox ip addr add 10.0.2.15/24 dev eth0
  /bin/busybox ip route add default via 10.0.2.2
  /bin/busybox mkdir -p /etc
  echo 'nameserver 10.0.2.3' >/etc/resolv.conf
}

# guest_parameter NAME: the value of NAME=VALUE on the kernel's command line. The last one counts.
guest_parameter() {
  value=
  read -r line </proc/cmdline
  for word in $line; do
    case $word in "$1="*) value=${word#*=} ;; esac
  done
  echo "$value"
}

# guest_end HOW: poweroff or reboot, at once; there is nothing to save.
guest_end() {
  /bin/busybox "$1" -f
  # Returns at once; and the end of the first process would be a panic.
  while :; do /bin/busybox sleep 1000; done
}
