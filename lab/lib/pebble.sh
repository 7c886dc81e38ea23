# shellcheck shell=bash
# Pebble, a certificate authority for tests, and its challenge server, which is the DNS that Pebble asks: every name is 127.0.0.1, unless
# a test says otherwise on the management port. Pebble forgets everything when it ends and has a new root each time it starts, which is
# why a new Pebble means a new life of the lab (lab/up).

pebble_runs() {
  pid_of pebble "$LAB_ROOT/pebble/pebble.json" >/dev/null && pid_of challtestsrv pebble-challtestsrv >/dev/null
}

# A root of our own for Pebble's own HTTPS. The certificates that Pebble issues are signed by another one.
pebble_certificate() {
  local directory=$LAB_ROOT/pebble log=$LAB_ROOT/log/openssl.log
  {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 365 -subj '/CN=the lab, for Pebble itself' \
      -addext 'basicConstraints=critical,CA:TRUE' -addext 'keyUsage=critical,keyCertSign' \
      -keyout "$directory/minica.key" -out "$directory/pebble.minica.pem" &&
      openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj '/CN=localhost' \
        -keyout "$directory/server.key" -out "$directory/server.csr" &&
      openssl x509 -req -in "$directory/server.csr" -CA "$directory/pebble.minica.pem" -CAkey "$directory/minica.key" -CAcreateserial \
        -days 365 -out "$directory/server.pem" \
        -extfile <(printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n')
  } </dev/null >"$log" 2>&1 || fail "Pebble's own certificate could not be made" "$log"
  rm -f -- "$directory/minica.key" "$directory/server.csr"
}

pebble_create() {
  rm -rf -- "$LAB_ROOT/pebble"
  mkdir -p "$LAB_ROOT/pebble"
  pebble_certificate
  fill pebble.json "ROOT=$LAB_ROOT" "PORT=$LAB_ACME_PORT" "MANAGEMENT=$LAB_ACME_MANAGEMENT_PORT" \
    "HTTP=$LAB_HTTP_PORT" "HTTPS=$LAB_HTTPS_PORT" >"$LAB_ROOT/pebble/pebble.json"
}

# The root that signs the lab's certificates. It exists only once Pebble runs.
pebble_fetch_root() {
  curl --silent --show-error --fail --max-time 5 --cacert "$LAB_ROOT/pebble/pebble.minica.pem" \
    "https://127.0.0.1:$LAB_ACME_MANAGEMENT_PORT/roots/0" >"$LAB_ROOT/ca.pem.part" &&
    openssl x509 -in "$LAB_ROOT/ca.pem.part" -noout &&
    mv "$LAB_ROOT/ca.pem.part" "$LAB_ROOT/ca.pem"
}

pebble_start() {
  ! pebble_runs || return 0
  pebble_create
  start_process challtestsrv pebble-challtestsrv -http01 '' -https01 '' -tlsalpn01 '' -defaultIPv4 127.0.0.1 -defaultIPv6 '' \
    -dns01 "127.0.0.1:$LAB_DNS_PORT" -management "127.0.0.1:$LAB_CHALLTESTSRV_PORT"
  # No sleep before a validation. Its rejection of good nonces (5 %) stays on: a client must live with it.
  start_process pebble env PEBBLE_VA_NOSLEEP=1 pebble -config "$LAB_ROOT/pebble/pebble.json" -dnsserver "127.0.0.1:$LAB_DNS_PORT"
  wait_until 20 pebble_fetch_root || fail "Pebble did not hand out its root certificate within 20 s" "$LAB_ROOT/log/pebble.log"
  wait_until 10 curl --silent --fail --max-time 5 --request POST --data '{"host":"lab.test"}' \
    "http://127.0.0.1:$LAB_CHALLTESTSRV_PORT/clear-txt" ||
    fail "Pebble's challenge server did not answer within 10 s" "$LAB_ROOT/log/challtestsrv.log"
}

pebble_stop() {
  stop_process pebble "$LAB_ROOT/pebble/pebble.json" TERM 10
  stop_process challtestsrv pebble-challtestsrv TERM 10
}
