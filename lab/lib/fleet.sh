# shellcheck shell=bash
# The fleet directory whose settings point at all of the lab, and the shell file that tells scripts and tests where everything is.

LAB_FLEET=$LAB_ROOT/fleet

# The service plans and templates are this repository's own. Repeated on each `lab/up`, so that an edit of them reaches a running lab;
# a file that did not change is left alone, because a daemon watches it.
fleet_copy_from_repository() {
  mkdir -p "$LAB_FLEET/instances.d" "$LAB_FLEET/nginx-templates"
  [[ ! -f $REPOSITORY/plans.toml ]] || cmp -s "$REPOSITORY/plans.toml" "$LAB_FLEET/plans.toml" ||
    cp -- "$REPOSITORY/plans.toml" "$LAB_FLEET/plans.toml"
  [[ ! -d $REPOSITORY/nginx-templates ]] || diff -rq "$REPOSITORY/nginx-templates" "$LAB_FLEET/nginx-templates" >/dev/null ||
    cp -R -- "$REPOSITORY/nginx-templates/." "$LAB_FLEET/nginx-templates/"
}

# A new life: nothing of a former one is kept. A certificate of the former Pebble would be signed by a root that nobody knows any more.
fleet_create() {
  local gateway=$1
  rm -rf -- "$LAB_FLEET" "$LAB_ROOT/state" "$LAB_ROOT/backups" "$LAB_ROOT/installations"
  fleet_copy_from_repository
  mkdir -p "$LAB_ROOT/state"
  mkdir -p -m 0700 "$LAB_ROOT/backups"
  fill innkeeper.toml "ROOT=$LAB_ROOT" "BASE_DOMAIN=$LAB_BASE_DOMAIN" "DOCKER_HOST=$DOCKER_HOST" "PG_PORT=$LAB_PG_PORT" \
    "INSTANCE_PORTS=$LAB_INSTANCE_PORTS" "GATEWAY=$gateway" "NGINX_BINARY=$NGINX_BINARY" "HTTP_PORT=$LAB_HTTP_PORT" "HTTPS_PORT=$LAB_HTTPS_PORT" \
    "ACME_PORT=$LAB_ACME_PORT" "DNS_PORT=$LAB_DNS_PORT" >"$LAB_FLEET/innkeeper.toml"
}

assignment() {
  printf '%s=%q\n' "$1" "$2"
}

# 0600: it holds the superuser's password.
env_create() {
  local gateway=$1
  (
    umask 077
    {
      printf '# Where the parts of the lab are. Made by lab/up, and written last: when it is here, the lab is up.\n'
      assignment INNKEEPER_FLEET "$LAB_FLEET"
      assignment LAB_HTTP_PORT "$LAB_HTTP_PORT"
      assignment LAB_HTTPS_PORT "$LAB_HTTPS_PORT"
      assignment LAB_CA "$LAB_ROOT/ca.pem"
      assignment LAB_PG_URL "postgres://postgres:$(<"$LAB_ROOT/secrets/postgres-superuser")@127.0.0.1:$LAB_PG_PORT/postgres"
      assignment LAB_PG_PORT "$LAB_PG_PORT"
      assignment LAB_PG_PASSWORD_FILE "$LAB_ROOT/secrets/postgres-innkeeper"
      assignment LAB_NGINX_CONF "$LAB_ROOT/nginx/nginx.conf"
      assignment LAB_NGINX_BINARY "$NGINX_BINARY"
      assignment LAB_NGINX_PID "$LAB_ROOT/run/nginx.pid"
      assignment LAB_NGINX_USER "$(nginx_user)"
      assignment LAB_ACME_DIRECTORY "https://127.0.0.1:$LAB_ACME_PORT/dir"
      assignment LAB_ACME_CA "$LAB_ROOT/pebble/pebble.minica.pem"
      assignment LAB_PEBBLE_MANAGEMENT "https://127.0.0.1:$LAB_ACME_MANAGEMENT_PORT"
      assignment LAB_CHALLTESTSRV "http://127.0.0.1:$LAB_CHALLTESTSRV_PORT"
      assignment LAB_DNS "127.0.0.1:$LAB_DNS_PORT"
      assignment LAB_DOCKER_HOST "$DOCKER_HOST"
      assignment LAB_GATEWAY "$gateway"
      assignment LAB_BASE_DOMAIN "$LAB_BASE_DOMAIN"
      assignment LAB_INSTANCE_PORTS "$LAB_INSTANCE_PORTS"
      assignment LAB_STATE "$LAB_ROOT/state"
      assignment LAB_LOGS "$LAB_ROOT/log"
      # A test that makes things in Docker outside the lab's fleet labels them io.innkeeper.lab=$LAB_ID, or writes its fleet's installation
      # into the file: lab/down then removes what a killed test left behind.
      assignment LAB_ID "$LAB_ID"
      assignment LAB_INSTALLATIONS "$LAB_ROOT/installations"
    } | sed 's/^[A-Z]/export &/' >"$LAB_ROOT/env.part"
  )
  mv -- "$LAB_ROOT/env.part" "$LAB_ROOT/env"
}
