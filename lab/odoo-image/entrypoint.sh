#!/bin/bash
# The contract of the official image's entrypoint (github.com/odoo/docker), traps included: it waits for PostgreSQL and appends the
# connection to the arguments of Odoo; any other command runs as it is. Innkeeper does not go through it, people at a shell may.
set -e

if [[ -v PASSWORD_FILE ]]; then
  PASSWORD=$(<"$PASSWORD_FILE")
fi
: "${HOST:=${DB_PORT_5432_TCP_ADDR:=db}}"
: "${PORT:=${DB_PORT_5432_TCP_PORT:=5432}}"
: "${USER:=${DB_ENV_POSTGRES_USER:=${POSTGRES_USER:=odoo}}}"
: "${PASSWORD:=${DB_ENV_POSTGRES_PASSWORD:=${POSTGRES_PASSWORD:=odoo}}}"

connection=()
# What the configuration file says wins over the environment.
setting() {
  local value
  value=$(sed -n -E "s/^[[:space:]]*$1[[:space:]]*=[[:space:]]*//p" "$ODOO_RC" 2>/dev/null | head -n 1 | tr -d '"\r')
  connection+=("--$1" "${value:-$2}")
}
setting db_host "$HOST"
setting db_port "$PORT"
setting db_user "$USER"
setting db_password "$PASSWORD"

run_odoo() {
  wait-for-psql.py "${connection[@]}" --timeout=30
  exec odoo "$@" "${connection[@]}"
}

case "${1:-}" in
  -- | odoo)
    shift
    [[ "${1:-}" == scaffold ]] && exec odoo "$@"
    run_odoo "$@"
    ;;
  -*) run_odoo "$@" ;;
  *) exec "$@" ;;
esac
