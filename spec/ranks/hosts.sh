#!/bin/sh
# Hosts on one machine, for what needs several: `hosts.sh N DELAY MBITS COMMAND...` makes N network namespaces that reach
# each other at 10.77.0.1 ... N over links of DELAY milliseconds one way and MBITS Mbit/s (by wire.c), runs COMMAND in
# the first one, and takes all of it away again. For the command:
#   $GANLUA_HOSTS      their names, with commas between: gan1.PID,gan2.PID,...
#   $GANLUA_WIRE       a fifo that takes "cut NAME" and "join NAME"
#   $GANLUA_RSH        what starts a command on one of them, for mpirun --mca plm_rsh_agent
# Needs root and iproute2; $WIRE is wire.c's program.
set -e
count=$1 delay=$2 mbits=$3
shift 3
scratch=$(mktemp -d)
names=
i=1
while [ $i -le "$count" ]; do
  names=$names${names:+,}gan$i-$$
  i=$((i + 1))
done
finish() {
  exec 9>&- 2>/dev/null
  for name in $(echo "$names" | tr , ' '); do
    ip netns pids "$name" 2>/dev/null | xargs -r kill -9 2>/dev/null
    ip netns del "$name" 2>/dev/null
  done
  rm -rf "$scratch"
}
trap finish EXIT
trap 'exit 130' INT TERM
for name in $(echo "$names" | tr , ' '); do
  ip netns add "$name"
done
mkfifo "$scratch/wire"
"$WIRE" "$names" "$delay" "$mbits" <"$scratch/wire" >"$scratch/ready" 2>"$scratch/errors" &
exec 9>"$scratch/wire"
for _ in 1 2 3 4 5 6 7 8 9 10; do
  grep -q ready "$scratch/ready" && break
  sleep .1
done
grep -q ready "$scratch/ready" || { cat "$scratch/errors" >&2; exit 1; }
i=1
for name in $(echo "$names" | tr , ' '); do
  ip -n "$name" addr add "10.77.0.$i/24" dev wire0
  ip -n "$name" link set lo up
  ip -n "$name" link set wire0 up mtu 8900
  # What networks between machines are set to: a link that was idle for a while does not begin slowly again.
  ip netns exec "$name" sysctl -qw net.ipv4.tcp_slow_start_after_idle=0 2>/dev/null || true
  i=$((i + 1))
done
cat >"$scratch/rsh" <<'RSH'
#!/bin/sh
# rsh HOST COMMAND: as ssh would, in the namespace that has the address. Temporary files are each host's own.
while [ "${1#-}" != "$1" ]; do shift; done
host=$1
shift
number=${host##*.}
name=$(echo "$GANLUA_HOSTS" | cut -d, -f"$number")
TMPDIR=${GANLUA_RSH%/*}/$name
mkdir -p "$TMPDIR"
export TMPDIR
exec ip netns exec "$name" sh -c "$*"
RSH
chmod +x "$scratch/rsh"
export GANLUA_HOSTS="$names" GANLUA_WIRE="$scratch/wire" GANLUA_RSH="$scratch/rsh"
first=${names%%,*}
ip netns exec "$first" "$@"
