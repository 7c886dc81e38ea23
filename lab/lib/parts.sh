# shellcheck shell=bash
# All parts of the lab, in one line for the scripts that start and stop them.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
source "$LAB_SOURCE/lib/docker.sh"
source "$LAB_SOURCE/lib/postgres.sh"
source "$LAB_SOURCE/lib/nginx.sh"
source "$LAB_SOURCE/lib/pebble.sh"
source "$LAB_SOURCE/lib/fleet.sh"

# Two labs on one machine share Docker, so each takes a slot: ports of its own, ten further on for each slot, and a thousand for its
# instances. In slot 0 they are the usual ones.
SLOTS=12
SLOT_CLAIMS=/run/lock/innkeeper-lab

slot_ports() {
  assignment LAB_HTTP_PORT $((8080 + 10 * $1))
  assignment LAB_HTTPS_PORT $((8443 + 10 * $1))
  assignment LAB_PG_PORT $((15432 + 10 * $1))
  assignment LAB_ACME_PORT $((14000 + 10 * $1))
  assignment LAB_ACME_MANAGEMENT_PORT $((15000 + 10 * $1))
  assignment LAB_DNS_PORT $((8053 + 10 * $1))
  assignment LAB_CHALLTESTSRV_PORT $((8055 + 10 * $1))
  assignment LAB_INSTANCE_PORT_FIRST $((20000 + 1000 * $1))
}

# slot_is_anothers SLOT: a claim counts while its lab is up.
slot_is_anothers() {
  local owner
  owner=$(cat "$SLOT_CLAIMS/$1" 2>/dev/null) || return 1
  [[ $owner != "$LAB_ROOT" && -e $owner/run/postgres.pid ]]
}

another_lab_is_up() {
  local slot
  for ((slot = 0; slot < SLOTS; slot++)); do
    ! slot_is_anothers "$slot" || return 0
  done
  return 1
}

# A stranger may listen on one of the ports.
slot_is_free() {
  local port
  ! slot_is_anothers "$1" || return 1
  while IFS='=' read -r _ port; do
    port_is_free "$port" || return 1
  done < <(slot_ports "$1")
}

# Once a life, while nothing of this lab runs.
ports_choose() {
  local slot
  mkdir -p "$SLOT_CLAIMS"
  exec 7>"$SLOT_CLAIMS/lock"
  flock -w 30 7 || fail "another lab has been choosing its ports for 30 s (lock: $SLOT_CLAIMS/lock)"
  for ((slot = 0; slot < SLOTS; slot++)); do
    if slot_is_free "$slot"; then
      printf '%s\n' "$LAB_ROOT" >"$SLOT_CLAIMS/$slot"
      slot_ports "$slot" >"$LAB_ROOT/ports"
      exec 7>&-
      return 0
    fi
  done
  fail "each of the lab's $SLOTS sets of ports has a port that is taken; the first is 8080, 8443, 15432, 14000, 15000, 8053, 8055, 20000"
}

ports_read() {
  # shellcheck source=/dev/null # written by ports_choose
  [[ ! -s $LAB_ROOT/ports ]] || source "$LAB_ROOT/ports"
  LAB_INSTANCE_PORTS=${LAB_INSTANCE_PORT_FIRST:-20000}-$((${LAB_INSTANCE_PORT_FIRST:-20000} + 999))
}

parts_stop() {
  rm -f -- "$LAB_ROOT/env"
  # A daemon that lab/demo left running. First of all: it would repair what is taken away here.
  stop_process innkeeper "$LAB_FLEET" TERM 40
  docker_clean
  nginx_stop
  pebble_stop
  postgres_stop
}
