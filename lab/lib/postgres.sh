# shellcheck shell=bash
# A private PostgreSQL cluster, made anew for each life of the lab. It listens on the loopback and on the address that containers use.

POSTGRES_BIN=/usr/lib/postgresql/15/bin

as_postgres() {
  setpriv --reuid=postgres --regid=postgres --init-groups "$@"
}

# PostgreSQL refuses to run as root. Where its own user cannot get into the checkout (below /root, say), the data lives elsewhere.
postgres_place() {
  local place=$LAB_ROOT/postgres
  mkdir -p "$LAB_ROOT"
  if ! (cd / && as_postgres test -x "$LAB_ROOT"); then
    place=/var/tmp/innkeeper-lab-$LAB_ID/postgres
    mkdir -p "$(dirname "$place")"
    ln -sfn "$place" "$LAB_ROOT/postgres"
  fi
  printf '%s\n' "$place"
}

postgres_runs() {
  pid_of postgres "$POSTGRES_BIN/postgres" >/dev/null
}

# lab_sql SQL…: as the superuser; the password goes by a file that only root reads, never by argument or environment.
lab_sql() {
  PGPASSFILE=$LAB_ROOT/secrets/pgpass psql --no-psqlrc --quiet --no-align --tuples-only --set ON_ERROR_STOP=1 \
    --host 127.0.0.1 --port "$LAB_PG_PORT" --username postgres --dbname postgres "$@" </dev/null
}

# postgres_create GATEWAY: an empty cluster. The superuser's password is set with the cluster; the role is made once it runs.
postgres_create() {
  local place=$1 gateway=$2 passwords=$LAB_ROOT/secrets
  rm -rf -- "${place:?}"
  install -d -o postgres -g postgres -m 0700 "$place"
  install -d -m 0700 "$passwords"
  random_password >"$passwords/postgres-superuser"
  random_password >"$passwords/postgres-innkeeper"
  printf '127.0.0.1:*:*:postgres:%s\n' "$(<"$passwords/postgres-superuser")" >"$passwords/pgpass"
  chmod 0600 "$passwords"/*
  install -o postgres -g postgres -m 0600 "$passwords/postgres-superuser" "$place/.password"
  (cd / && as_postgres "$POSTGRES_BIN/initdb" --pgdata "$place/data" --username postgres --pwfile "$place/.password" \
    --auth scram-sha-256 --encoding UTF8 --locale C.UTF-8 --no-sync) </dev/null >"$LAB_ROOT/log/initdb.log" 2>&1 ||
    fail "initdb failed" "$LAB_ROOT/log/initdb.log"
  rm -f -- "$place/.password"
  fill postgresql.conf "PORT=$LAB_PG_PORT" "GATEWAY=$gateway" >>"$place/data/postgresql.conf"
  fill pg_hba.conf >"$place/data/pg_hba.conf"
}

postgres_start() {
  local place log=$LAB_ROOT/log/postgres.log
  ! postgres_runs || return 0
  place=$(postgres_place)
  postgres_create "$place" "$1"
  (cd / && start_process postgres setpriv --reuid=postgres --regid=postgres --init-groups \
    "$POSTGRES_BIN/postgres" -D "$place/data")
  wait_until 30 lab_sql --command 'SELECT 1' || fail "PostgreSQL did not answer on port $LAB_PG_PORT within 30 s" "$log"
  # By stdin, not by argument: what is in an argument is in the process list.
  PGPASSFILE=$LAB_ROOT/secrets/pgpass psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --host 127.0.0.1 --port "$LAB_PG_PORT" \
    --username postgres --dbname postgres <<END
CREATE ROLE innkeeper LOGIN CREATEDB CREATEROLE NOSUPERUSER PASSWORD '$(<"$LAB_ROOT/secrets/postgres-innkeeper")';
END
}

postgres_stop() {
  # INT is the fast shutdown: sessions are ended, files are closed.
  stop_process postgres "$POSTGRES_BIN/postgres" INT 20
}
