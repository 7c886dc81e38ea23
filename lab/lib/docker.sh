# shellcheck shell=bash
# The engine of this machine: used where it runs, started by hand where it does not. Images stay in its store over the lab's lives.

# One engine only, whatever DOCKER_HOST the shell has: published ports must be ports of this machine's loopback.
export DOCKER_HOST=unix:///var/run/docker.sock

docker_answers() {
  timeout 10 docker version --format '{{ .Server.Version }}' >/dev/null 2>&1
}

docker_start() {
  ! docker_answers || return 0
  say "starting dockerd"
  # No arguments: /etc/docker/daemon.json, where there is one, keeps its say. It starts a containerd of its own and ends it with itself.
  start_process dockerd dockerd
  wait_until 60 docker_answers || fail "dockerd did not answer within 60 s" "$LAB_ROOT/log/dockerd.log"
}

# The address on which containers of any bridge reach this machine. It is there as long as the engine runs. Asked of the interface: on an
# engine's first start the network itself does not name its gateway yet.
docker_gateway() {
  local interface
  interface=$(docker network inspect bridge --format '{{ index .Options "com.docker.network.bridge.name" }}')
  ip -4 -oneline address show dev "$interface" | sed -n -E 's#.* inet ([0-9.]+)/.*#\1#p' | grep . ||
    fail "Docker's default bridge has no address: the lab needs the network named \"bridge\""
}

# The installations (Innkeeper's label `io.innkeeper.installation`) that live in this lab, one a line: of containers with a file from the
# lab's directory mounted, of roles in the lab's PostgreSQL, and those that a test wrote into the file.
installations_of_lab() {
  docker ps --all --quiet --filter label=io.innkeeper.installation | xargs --no-run-if-empty docker inspect |
    jq --raw-output --arg root "$LAB_ROOT/" \
      '.[] | select(any(.Mounts[]; .Source | startswith($root))) | .Config.Labels["io.innkeeper.installation"]'
  ! postgres_runs || lab_sql --command "SELECT substring(shobj_description(oid, 'pg_authid') FROM 'installation\"[: ]+\"([^\"]+)') FROM pg_roles" || true
  cat "$LAB_ROOT/installations" 2>/dev/null || true
}

# The labels by which something in Docker is this lab's: `label=value`, exact.
docker_labels_of_lab() {
  printf 'io.innkeeper.lab=%s\n' "$LAB_ID"
  installations_of_lab | sort -u | sed -n -E 's/^[0-9a-z-]{8,}$/io.innkeeper.installation=&/p'
}

# Removes containers, volumes and networks that carry exactly one of the lab's labels, and nothing else. What cannot be removed has told
# why on stderr; the rest of the lab is stopped all the same.
docker_clean() {
  local label found
  docker_answers || return 0
  while read -r label; do
    mapfile -t found < <(docker ps --all --quiet --filter "label=$label")
    ((${#found[@]} == 0)) || docker rm --force --volumes "${found[@]}" >/dev/null || true
    mapfile -t found < <(docker volume ls --quiet --filter "label=$label")
    ((${#found[@]} == 0)) || docker volume rm "${found[@]}" >/dev/null || true
    mapfile -t found < <(docker network ls --quiet --filter "label=$label")
    ((${#found[@]} == 0)) || docker network rm "${found[@]}" >/dev/null || true
  done < <(docker_labels_of_lab)
}

# Only an engine that the lab started is stopped, and not while somebody else's containers run on it or another lab is up.
docker_stop() {
  pid_of dockerd dockerd >/dev/null || return 0
  if another_lab_is_up; then
    say "dockerd is left running: another lab is up"
    return 0
  fi
  if docker_answers && [[ -n $(docker ps --quiet) ]]; then
    say "dockerd is left running: it runs containers that are not the lab's"
    return 0
  fi
  stop_process dockerd dockerd TERM 30
}
