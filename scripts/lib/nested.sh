# shellcheck shell=bash
# SPDX-FileCopyrightText: The Keel authors
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# The nested machine: QEMU's software processor with AMD SVM, in which a Debian kernel offers a real /dev/kvm. Needs
# common.sh, packages.sh, kernel.sh, initramfs.sh.
# shellcheck source=scripts/lib/common.sh disable=SC2154,SC2054
#
# Streams. Each of the command's three has a kind: closed, null (/dev/null), tty (the terminal), or port (anything else:
# relayed through a pipe and a virtio-serial port of its own). If stdin is a terminal the command gets a pseudo-terminal
# inside, whose two sides are relayed likewise as stdin and terminal.
# The relays between the caller's files and QEMU's pipes are our children, so that QEMU never makes the caller's files
# non-blocking nor truncates them, and a terminal's settings are ours alone.

# Seconds until a try to bring the machine up counts as stalled; a busy host may need the longer ones.
readonly -a nested_patience=(40 60 120)
# Seconds without a sign of life after which a machine that was up stands still.
readonly nested_silence=${KEEL_NESTED_SILENCE:-60}
readonly -a nested_modules=(virtio_pci virtio_console 9pnet_virtio 9p overlay kvm_amd)

declare -A stream_kind=() relay=() sink=()
declare -a outputs=()
machine='' session='' terminal_settings='' outcome=''

# nested_prepare: sets nested_image to the machine's initramfs, making it when there is none for this kernel and these
# files yet. Its failure is a status, also where errexit is off.
nested_prepare() {
  local guest=$keel_root/scripts/guest home key lock status=0
  local -a arguments=(--file "$guest/nested-session:session" --file "$guest/nested-job:job"
    --file "$guest/nested-holder.pl:holder")
  local name
  for name in "${nested_modules[@]}"; do arguments+=(--module "$name"); done
  if ! command -v qemu-system-x86_64 >/dev/null; then packages_require nested || return; fi
  kernel_fetch amd64 || return
  key=$(printf '%s\n' "${arguments[@]}" | cat - "$guest"/{common.sh,init-nested,nested-*} "$keel_root/scripts/lib/initramfs.sh" |
    sha256sum | head -c 12) || return
  home=$keel_cache/nested
  nested_image=$home/$kernel_version-$key.cpio
  [[ ! -e $nested_image ]] || return 0
  packages_require nested && mkdir -p "$home" && exec {lock}>"$home/lock" && flock "$lock" || return
  [[ -e $nested_image ]] ||
    initramfs_build "$nested_image" "$kernel_dir" "$guest/init-nested" "${arguments[@]}" || status=$?
  exec {lock}>&-
  return "$status"
}

# classify_streams: fills stream_kind. To be called before anything opens files, which would take a closed one's number.
classify_streams() {
  local name fd=0
  for name in stdin stdout stderr; do
    if [[ ! -e /proc/self/fd/$fd ]]; then
      stream_kind[$name]=closed
    elif [[ -t $fd && ($fd == 0 || ${stream_kind[stdin]} == tty) ]]; then
      stream_kind[$name]='tty'
    elif [[ /proc/self/fd/$fd -ef /dev/null ]]; then
      stream_kind[$name]=null
    else
      stream_kind[$name]=port
    fi
    ((fd += 1))
  done
  [[ ${stream_kind[stdin]} != closed ]] || exec </dev/null
  [[ ${stream_kind[stdout]} != closed ]] || exec >/dev/null
  [[ ${stream_kind[stderr]} != closed ]] || exec 2>/dev/null
}

# write_session OUT COMMAND…: the directory from which the guest's side learns what to do. Sets outputs.
write_session() {
  local out=$1 name temporary
  shift
  # The session is named on a kernel command line, and from the root. The command keeps TMPDIR as it is.
  temporary=$(realpath "${TMPDIR:-/tmp}")
  [[ ! $temporary =~ [[:space:]\"] ]] || temporary=/tmp
  session=$(mktemp -d "$temporary/keel.XXXXXXXX")
  printf '%s\0' "$@" >"$session/command"
  env -0 >"$session/environment"
  printf '%s\0' "$PWD" >"$session/directory"
  umask >"$session/umask"
  printf '%s\n' "$kernel_dir/lib/modules" >"$session/modules"
  [[ -z $out ]] || printf '%s\n' "$out" >"$session/out"
  for name in stdin stdout stderr; do
    printf '%s\n' "${stream_kind[$name]}" >"$session/$name"
    [[ $name == stdin || ${stream_kind[$name]} != port ]] || outputs+=("$name")
  done
  if [[ ${stream_kind[stdin]} == tty ]]; then
    stty size <&"$caller_stdin" >"$session/window"
    outputs+=(terminal)
  fi
  printf '%s\n' "${outputs[*]}" >"$session/outputs"
  [[ ${stream_kind[stdin]} != @(tty|port) ]] || touch "$session/input"
}

# start_relays: one cat per stream, each with a fifo towards QEMU. All of them before the first fifo is opened here, so
# that none inherits the end of another and keeps it open.
start_relays() {
  local name target pipe
  for name in "${outputs[@]}"; do
    case $name in stderr) target=2 ;; *) target=1 ;; esac
    [[ $name != terminal ]] || target=$terminal
    mkfifo "$session/$name.fifo"
    cat <"$session/$name.fifo" >&"$target" &
    relay[$name]=$!
  done
  if [[ -e $session/input ]]; then
    mkfifo "$session/stdin.fifo"
    cat <&"$caller_stdin" >"$session/stdin.fifo" 2>/dev/null &
    relay[stdin]=$!
    exec {source}<"$session/stdin.fifo"
  else
    exec {source}</dev/null
  fi
  for name in "${outputs[@]}"; do
    exec {pipe}>"$session/$name.fifo"
    sink[$name]=$pipe
  done
}

# start_machine CPUS MEMORY OUT: sets machine, and opens events. KEEL_NESTED_CMDLINE is more of its kernel's command line.
start_machine() {
  local cpus=$1 memory=$2 out=$3 name
  local line="console=ttyS0 panic=-1 quiet nokaslr mitigations=off tsc=reliable no_timer_check random.trust_cpu=on"
  line+=" cryptomgr.notests no5lvl softlockup_panic=1 sysctl.kernel.panic_on_rcu_stall=1 ${KEEL_NESTED_CMDLINE:-}"
  line+=" keel_session=$session"
  local -a arguments=(
    -accel tcg,thread=multi -cpu max -M q35 -smp "$cpus" -m "$memory" -nodefaults -no-user-config -display none -no-reboot
    -kernel "$kernel_dir/vmlinux" -initrd "$nested_image" -append "$line" -serial "file:$session/console"
    -virtfs local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap
    -device virtio-serial-pci
    -chardev file,id=events,path=/proc/self/fd/3 -device virtserialport,chardev=events,name=keel.events
  )
  # A comma in a path is doubled in QEMU's options.
  [[ ! $out ]] || arguments+=(-virtfs "local,path=${out//,/,,},mount_tag=out,security_model=none,multidevs=remap")
  [[ ! -e $session/input ]] ||
    arguments+=(-chardev stdio,id=stdin,signal=off -device virtserialport,chardev=stdin,name=keel.stdin)
  for name in "${outputs[@]}"; do
    arguments+=(-chardev "file,id=$name,path=/proc/self/fd/${sink[$name]}")
    arguments+=(-device "virtserialport,chardev=$name,name=keel.$name")
  done
  rm -f "$session/events" "$session/console"
  mkfifo "$session/events"
  # Even if this script is killed outright, the machine goes with it.
  setpriv --pdeathsig KILL qemu-system-x86_64 "${arguments[@]}" \
    <&"$source" 3>"$session/events" >/dev/null 2>"$session/qemu" &
  machine=$!
  exec {events}<"$session/events"
}

stop_machine() {
  [[ $machine ]] || return 0
  kill -KILL "$machine" 2>/dev/null || true
  wait "$machine" 2>/dev/null || true
  machine=''
  exec {events}<&-
}

# watch_machine PATIENCE LIMIT: follows it until `outcome` is known: exit STATUS STREAM=BYTES…, stalled (did not come up
# in PATIENCE seconds), died, silent (gave no sign of life), limit (the command ran LIMIT seconds; 0 is no limit), or pipe
# (nobody reads stdout).
watch_machine() {
  local patience=$1 limit=$2 since=$SECONDS alive=$SECONDS running='' word='' part=''
  while :; do
    if IFS= read -r -t 0.5 -u "$events" part; then
      word+=$part
      case $word in
        run) running=yes since=$SECONDS alive=$SECONDS && enter_raw_mode ;;
        alive) alive=$SECONDS ;;
        exit*) outcome=$word && return ;;
      esac
      word=''
    elif (($? <= 128)); then
      outcome=died
      [[ $running ]] || outcome='died early'
      return
    else
      word+=$part
    fi
    if [[ ! $running ]] && ((SECONDS - since >= patience)); then outcome=stalled && return; fi
    if [[ $running ]] && ((SECONDS - alive >= nested_silence)); then outcome=silent && return; fi
    if [[ $running ]] && ((limit && SECONDS - since >= limit)); then outcome=limit && return; fi
    if [[ ${relay[stdout]:-} ]] && ! kill -0 "${relay[stdout]}" 2>/dev/null; then outcome=pipe && return; fi
  done
}

# The terminal is the guest's once the command runs; until then the interrupt key is ours.
enter_raw_mode() {
  [[ ${stream_kind[stdin]} == tty ]] || return 0
  terminal_settings=$(stty -g <&"$caller_stdin")
  stty raw -echo <&"$caller_stdin"
}

leave_raw_mode() {
  [[ ! $terminal_settings ]] || stty "$terminal_settings" <&"$caller_stdin" || true
  terminal_settings=''
}

# drain STREAM=BYTES…: waits until our relays have passed on all that the guest sent; QEMU may hold some back while a
# reader is slow.
drain() {
  local count name written
  for count; do
    name=${count%=*}
    while kill -0 "${relay[$name]}" 2>/dev/null; do
      written=$(sed -n 's/^wchar: //p' "/proc/${relay[$name]}/io" 2>/dev/null) || break
      ((written < ${count#*=})) || break
      sleep 0.02
    done
  done
}

# finish_relays: waits until they have written what they have, the input's excepted, whose source may never end.
finish_relays() {
  local name pipe
  [[ ! ${relay[stdin]:-} ]] || kill "${relay[stdin]}" 2>/dev/null || true
  unset 'relay[stdin]'
  for pipe in "${sink[@]}"; do exec {pipe}>&-; done
  # A reader that doesn't read must not outlast the machine's end.
  if [[ $outcome == limit || $outcome == silent ]]; then
    for name in {1..20}; do kill -0 "${relay[@]}" 2>/dev/null && sleep 0.1; done
    kill "${relay[@]}" 2>/dev/null || true
  fi
  wait "${relay[@]}" 2>/dev/null || true
  relay=()
}

nested_cleanup() {
  leave_raw_mode
  stop_machine
  ((${#relay[@]} == 0)) || kill "${relay[@]}" 2>/dev/null || true
  [[ ! $session ]] || rm -rf "$session"
}

# end_by_signal NAME: as the signal would have ended us, so that a caller's loop over such commands ends as well.
end_by_signal() {
  trap - EXIT "$1"
  nested_cleanup
  kill -"$1" $$
}

# nested_run CPUS MEMORY LIMIT OUT LOG COMMAND…: never returns; the command's exit status becomes ours. LOG, if not
# empty, gets the machine's console.
nested_run() {
  local cpus=$1 memory=$2 limit=$3 out=$4 log=$5 patience signal
  local -a words
  shift 5
  # exec {…} of a stream that is closed would fail; classify_streams has put /dev/null there.
  exec {caller_stdin}<&0
  if [[ ${stream_kind[stdin]} == tty ]]; then exec {terminal}>"/proc/self/fd/$caller_stdin"; fi
  trap nested_cleanup EXIT
  for signal in HUP INT TERM; do
    # shellcheck disable=SC2064  # the name is known now
    trap "end_by_signal $signal" "$signal"
  done
  write_session "$out" "$@"
  start_relays
  for patience in "${nested_patience[@]}"; do
    start_machine "$cpus" "$memory" "$out"
    watch_machine "$patience" "$limit"
    read -ra words <<<"$outcome"
    [[ ${words[0]} != exit ]] || drain "${words[@]:2}"
    stop_machine
    [[ ! $log ]] || cp "$session/console" "$log" 2>/dev/null || true
    [[ $outcome == stalled || $outcome == 'died early' ]] || break
    say "the nested machine did not come up within $patience s ($outcome); trying again"
  done
  leave_raw_mode
  finish_relays
  case $outcome in
    exit*) exit "${words[1]}" ;;
    limit) die 124 "the command ran longer than $limit s" ;;
    pipe) exit 141 ;;
  esac
  cat "$session/qemu" >&2 || true
  tail -n 5 "$session/console" >&2 || true
  case $outcome in
    silent) die 125 "the nested machine stood still: no sign of life for $nested_silence s while the command ran" ;;
    died) die 125 "the nested machine died while the command ran" ;;
    *) die 125 "the nested machine does not come up" ;;
  esac
}
