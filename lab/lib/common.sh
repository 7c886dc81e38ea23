# shellcheck shell=bash disable=SC2034 # much of what stands here is for those who source it
# What every script of the lab shares: where things are, how to say something, how to wait, and how to start and end a process
# without ever touching one that is not ours. Sourced, never run.

set -euo pipefail

LAB_SOURCE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
REPOSITORY=$(dirname "$LAB_SOURCE")
LAB_ROOT=$REPOSITORY/target/lab
# Names what belongs to this checkout's lab where a name must be unique on the machine: two checkouts do not share a lab.
LAB_ID=$(printf '%s' "$LAB_ROOT" | sha256sum | cut -c1-12)
LAB_BASE_DOMAIN=innkeeper.test

say() {
  printf 'lab: %s\n' "$*" >&2
}

# fail MESSAGE [LOG]: the message, the last lines of the log where there is one, exit 1.
fail() {
  say "$1"
  if [[ -n "${2:-}" && -s "${2:-}" ]]; then
    printf -- '--- the last lines of %s\n' "$2" >&2
    tail -n 20 -- "$2" >&2
    printf -- '---\n' >&2
  fi
  exit 1
}

# wait_until SECONDS COMMAND…: asks ten times a second until the command succeeds; fails when the time is over.
wait_until() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < deadline)) || return 1
    sleep 0.1
  done
}

need_root() {
  [[ $(id -u) == 0 ]] || fail "run this as root: the lab starts nginx, PostgreSQL and Docker, each as a user of its own"
}

# --- Processes, by pid file -----------------------------------------------------------------------------------------------------

# pid_of NAME WORD: prints the pid in the pid file when that process still lives and its command line holds WORD. A pid file outlives
# its process and pids are used again: without the look at /proc the lab could end a stranger.
pid_of() {
  local file=$LAB_ROOT/run/$1.pid pid
  [[ -r $file ]] || return 1
  pid=$(head -n 1 "$file")
  [[ $pid =~ ^[0-9]+$ && -r /proc/$pid/cmdline ]] || return 1
  tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF -- "$2" || return 1
  printf '%s\n' "$pid"
}

process_is_gone() {
  # A zombie has ended: it only waits for whoever started it.
  [[ ! -e /proc/$1 ]] || grep -q '^State:[[:space:]]*Z' "/proc/$1/status" 2>/dev/null
}

# start_process NAME COMMAND…: in the background, in a session of its own, cut off from our terminal and stdin; the pid is noted, and the
# log begins anew: what it holds is of this process.
start_process() {
  local name=$1
  shift
  mkdir -p "$LAB_ROOT/run" "$LAB_ROOT/log"
  # `setsid` in a background job does not fork (the job leads no process group), so $! is the command itself. The locks (8 and 9) are
  # ours, not the process's: it would hold them as long as it lives.
  setsid "$@" </dev/null >"$LAB_ROOT/log/$name.log" 2>&1 8>&- 9>&- &
  printf '%s\n' "$!" >"$LAB_ROOT/run/$name.pid"
  disown
}

# stop_process NAME WORD SIGNAL SECONDS: asks with the signal, waits, then ends it for good.
stop_process() {
  local name=$1 word=$2 signal=$3 seconds=$4 pid
  if pid=$(pid_of "$name" "$word"); then
    kill -s "$signal" "$pid" 2>/dev/null || true
    if ! wait_until "$seconds" process_is_gone "$pid"; then
      say "$name (process $pid) did not end within $seconds s and is killed"
      kill -s KILL "$pid" 2>/dev/null || true
      wait_until 5 process_is_gone "$pid" || fail "$name (process $pid) cannot be ended" "$LAB_ROOT/log/$name.log"
    fi
  fi
  rm -f -- "$LAB_ROOT/run/$name.pid"
}

# --- Files ----------------------------------------------------------------------------------------------------------------------

random_password() {
  # 32 characters out of 32 random bytes, none of which needs quoting in a URL, SQL or TOML.
  head -c 32 /dev/urandom | base64 | tr -d '/+=\n' | cut -c1-32
}

# fill TEMPLATE KEY=VALUE…: prints the template with every @KEY@ replaced.
fill() {
  local text pair
  text=$(<"$LAB_SOURCE/templates/$1")
  shift
  for pair in "$@"; do
    text=${text//"@${pair%%=*}@"/"${pair#*=}"}
  done
  printf '%s\n' "$text"
}

port_is_free() {
  [[ -z $(ss -Hltun "sport = :$1") ]]
}

# one_lab_at_a_time: two runs of up, down or image on one checkout wait for each other.
one_lab_at_a_time() {
  mkdir -p "$LAB_ROOT"
  exec 9>"$LAB_ROOT/lock"
  flock -w 120 9 || fail "another run of the lab's scripts holds $LAB_ROOT/lock"
}
