#!/usr/bin/perl
# SPDX-FileCopyrightText: The Keel authors
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# Keeps virtual machines open while the nested machine lives, one whose vCPU has its interrupt controller in the kernel
# and one whose has not (/holder in the initramfs). Returns when they are open.
#
# The kernel patches its own code (static keys) when the first vCPU of a kind comes and when the last one goes. Of two
# processors that QEMU emulates one may go on for ever with the breakpoint that stands there in between: seen with QEMU
# 7.2, in finish_task_switch. It is perl because every Debian has that; the numbers are those of <linux/kvm.h>.
use strict;
use warnings;

use constant {KVM_CREATE_VM => 0xae01, KVM_CREATE_VCPU => 0xae41, KVM_CREATE_IRQCHIP => 0xae60};

open(my $kvm, '+<', '/dev/kvm') or exit;
my @held;
for my $with_irqchip (1, 0) {
  # What ioctl() returns is a descriptor that stays open; perl closes only what it opened.
  my $machine = ioctl($kvm, KVM_CREATE_VM, 0) or die "KVM_CREATE_VM: $!";
  open(my $calls, '+<&=', $machine) or die $!;
  push @held, $calls;
  !$with_irqchip or ioctl($calls, KVM_CREATE_IRQCHIP, 0) or die "KVM_CREATE_IRQCHIP: $!";
  ioctl($calls, KVM_CREATE_VCPU, 0) or die "KVM_CREATE_VCPU: $!";
}
defined(my $child = fork) or die "fork: $!";
sleep if !$child;
