#!/bin/bash
# Makes hosts of its own on this machine: `room.sh COUNT FOLDER`, as process 1 of a pid namespace, in a network and a
# mount namespace. Each host is a process with its own network, name and shared memory; a bridge joins them. Prints for
# each its name, its process and its network namespace, then "ready". Everything is gone with the last process.
set -e
count=$1 folder=$2
mount --make-rprivate /
echo "127.0.0.1 localhost" >"$folder/names"
for i in $(seq "$count"); do echo "10.0.0.$i h$i" >>"$folder/names"; done
mount --bind "$folder/names" /etc/hosts
ip link set lo up
ip link add switch type bridge
ip link set switch up
for i in $(seq "$count"); do
  unshare --net --uts --mount sh -c '
    hostname "$0" && mount -t tmpfs tmpfs /dev/shm && ip link set lo up && : >"$1/$0.up" && exec sleep infinity
  ' "h$i" "$folder" &
  pid=$!
  until [ -e "$folder/h$i.up" ]; do kill -0 $pid && sleep 0.01; done
  ip link add "h$i" type veth peer name eth0 netns $pid
  ip link set "h$i" master switch up
  nsenter --target $pid --net sh -c 'ip addr add "$0/24" dev eth0 && ip link set eth0 up' "10.0.0.$i"
  echo "h$i $pid $(readlink /proc/$pid/ns/net)" | tee -a "$folder/hosts"
done
echo ready
# The shell collects what is left by processes whose parent ended.
while :; do sleep infinity & wait $!; done
