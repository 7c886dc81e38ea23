# shellcheck shell=bash
# A private nginx: the main file that a host would have, with the one include line that Innkeeper asks for, and nothing more.

NGINX_BINARY=/usr/sbin/nginx
NGINX_MASTER="nginx: master process $NGINX_BINARY -p $LAB_ROOT/nginx/"

nginx_runs() {
  pid_of nginx "$NGINX_MASTER" >/dev/null
}

# The workers are www-data as on a Debian host, or root where www-data cannot get into the checkout (below /root, say).
nginx_user() {
  if (cd / && setpriv --reuid=www-data --regid=www-data --init-groups test -x "$LAB_ROOT"); then
    printf 'www-data\n'
  else
    printf 'root\n'
  fi
}

nginx_create() {
  local user files
  user=$(nginx_user)
  # As many open files as the machine allows, and no more: asking for more only writes an alert.
  files=$(ulimit -Hn)
  [[ $files != unlimited && $files -lt 65536 ]] || files=65536
  rm -rf -- "$LAB_ROOT/nginx"
  mkdir -p "$LAB_ROOT/nginx/tmp" "$LAB_ROOT/nginx/innkeeper" "$LAB_ROOT/log" "$LAB_ROOT/run"
  chown "$user:" "$LAB_ROOT/nginx/tmp"
  fill nginx.conf "USER=$user" "FILES=$files" "ROOT=$LAB_ROOT" >"$LAB_ROOT/nginx/nginx.conf"
}

nginx_start() {
  local log=$LAB_ROOT/log/nginx.log
  ! nginx_runs || return 0
  [[ -s $LAB_ROOT/nginx/nginx.conf ]] || nginx_create
  # After a kill -9 an old socket file keeps nginx from starting.
  find "$LAB_ROOT/nginx/innkeeper" -type s -delete 2>/dev/null || true
  mkdir -p "$LAB_ROOT/log"
  # It goes into the background by itself once its ports are open, and writes its own pid file.
  "$NGINX_BINARY" -p "$LAB_ROOT/nginx/" -e "$LAB_ROOT/log/nginx-error.log" -c "$LAB_ROOT/nginx/nginx.conf" </dev/null >>"$log" 2>&1 8>&- 9>&- ||
    fail "nginx did not start" "$log"
  wait_until 10 nginx_runs || fail "nginx's master process did not come up within 10 s" "$LAB_ROOT/log/nginx-error.log"
}

nginx_stop() {
  # TERM is the fast shutdown: open connections are cut.
  stop_process nginx "$NGINX_MASTER" TERM 15
}
