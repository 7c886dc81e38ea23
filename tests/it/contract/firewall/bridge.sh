# In an empty network namespace, with the rules on standard input.
set -e
rules=$(cat)
bridge=br-0123456789ab
children=()
trap 'kill "${children[@]}" 2>/dev/null || true' EXIT

ip link set lo up
ip link add $bridge type bridge
ip addr add 172.30.0.1/24 dev $bridge
ip link set $bridge up

# Another network, joined to this one: its name, this end's name, that end's name.
join() {
  unshare --net sleep 300 &
  children+=($!)
  declare -g "$1=/proc/$!/ns/net"
  while [[ $(readlink /proc/$!/ns/net) == "$(readlink /proc/$$/ns/net)" ]]; do :; done
  ip link add "$2" type veth peer name "$3"
  ip link set "$3" netns $!
  ip link set "$2" up
}
join customer v0 v1
ip link set v0 master $bridge
nsenter --net="$customer" sh -c "ip addr add 172.30.0.2/24 dev v1 && ip link set v1 up && ip route add default via 172.30.0.1"
join metadata m0 m1
ip addr add 169.254.1.1/16 dev m0
nsenter --net="$metadata" sh -c "ip addr add 169.254.169.254/16 dev m1 && ip link set m1 up && ip route add default via 169.254.1.1"
echo 1 >/proc/sys/net/ipv4/ip_forward
# As Docker has it.
iptables -N DOCKER-USER
iptables -A FORWARD -j DOCKER-USER

listener='import socket, sys, time
held = [socket.create_server(("", int(port))) for port in sys.argv[1:]]
print("listens", flush=True)
time.sleep(300)'
# Listens in a network, and returns once it does: the network, the ports.
listen() {
  local network=$1
  shift
  exec {said}< <(exec nsenter --net="$network" python3 -c "$listener" "$@")
  children+=($!)
  read -r -u "$said" _
}
listen /proc/$$/ns/net 5432 80 443 22
listen "$metadata" 80
listen "$customer" 8069

dialer='import socket, sys
for word, host, port in (target.split(":") for target in sys.argv[1:]):
    try:
        socket.create_connection((host, int(port)), 20).close()
        print("open", word)
    except OSError:
        print("closed", word)'
try() {
  nsenter --net="$customer" python3 -c "$dialer" database:172.30.0.1:5432 http:172.30.0.1:80 https:172.30.0.1:443 \
    ssh:172.30.0.1:22 metadata:169.254.169.254:80
  python3 -c "$dialer" customer:172.30.0.2:8069
}
try
echo rules
eval "$rules"
try
