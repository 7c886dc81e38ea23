# shellcheck shell=bash
# All parts of the lab, in one line for the scripts that start and stop them.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
source "$LAB_SOURCE/lib/docker.sh"
source "$LAB_SOURCE/lib/postgres.sh"
source "$LAB_SOURCE/lib/nginx.sh"
source "$LAB_SOURCE/lib/pebble.sh"
source "$LAB_SOURCE/lib/fleet.sh"

# Chosen once a life: the usual one, or the next that is free.
ports_choose() {
  {
    assignment LAB_HTTP_PORT "$(free_port 8080)"
    assignment LAB_HTTPS_PORT "$(free_port 8443)"
    assignment LAB_PG_PORT "$(free_port 15432)"
    assignment LAB_ACME_PORT "$(free_port 14000)"
    assignment LAB_ACME_MANAGEMENT_PORT "$(free_port 15000)"
    assignment LAB_DNS_PORT "$(free_port 8053)"
    assignment LAB_INSTANCE_PORTS "$(instance_ports_claim)"
    assignment LAB_CHALLTESTSRV_PORT "$(free_port 8055)"
  } >"$LAB_ROOT/ports"
}

# Two labs on one machine share Docker, so each takes a thousand ports of its own for its instances. A claim counts while its lab is up.
instance_ports_claim() {
  local claims=/run/lock/innkeeper-lab first owner
  mkdir -p "$claims"
  for ((first = 20000; first < 32000; first += 1000)); do
    owner=$(cat "$claims/$first" 2>/dev/null || true)
    [[ $owner == "$LAB_ROOT" || ! -e $owner/env ]] || continue
    [[ -z $(ss -Hltn "sport >= :$first and sport <= :$((first + 999))") ]] || continue
    printf '%s\n' "$LAB_ROOT" >"$claims/$first"
    printf '%s-%s\n' "$first" "$((first + 999))"
    return 0
  done
  fail "no thousand ports between 20000 and 31999 is free for instances"
}

ports_read() {
  # shellcheck source=/dev/null # written by ports_choose
  [[ ! -s $LAB_ROOT/ports ]] || source "$LAB_ROOT/ports"
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
