#!/bin/bash
# A Slurm of two nodes on this machine: `slurm.sh FOLDER COMMAND…` starts it, runs the command with it, and ends
# everything. To be run as root in namespaces of its own (network, name, mounts, processes), which make sure of the end:
#   unshare --net --uts --mount --pid --fork --kill-child --mount-proc bash slurm.sh FOLDER COMMAND…
# Exits with 77 and says why if Slurm does not start.
set -e
folder=$1
shift
hostname slurm
ip link set lo up
# Slurm listens only where there is another network than the loop back.
ip link add net type bridge
ip addr add 10.0.0.1/24 dev net
ip link set net up
mount --make-rprivate /
mount -t tmpfs tmpfs /dev/shm
cd "$folder"
mkdir -m 700 key
mkdir state spool.n1 spool.n2 tmp.n1 tmp.n2
chmod 755 .
dd if=/dev/urandom of=key/key bs=1024 count=1 status=none
chmod 400 key/key
printf "127.0.0.1 localhost\n10.0.0.1 slurm\n" >names
mount --bind names /etc/hosts
# Both nodes are this machine. Programs of one job on them need folders of their own.
cat >slurm.conf <<END
ClusterName=test
SlurmctldHost=slurm(10.0.0.1)
AuthType=auth/munge
AuthInfo=socket=$folder/munge
CredType=cred/munge
SlurmUser=root
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.%n.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.%n.log
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool.%n
TmpFS=$folder/tmp.%n
SwitchType=switch/none
MailProg=/bin/true
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
KillWait=2
NodeName=n1 NodeHostname=slurm NodeAddr=10.0.0.1 Port=6818 CPUs=8 State=UNKNOWN
NodeName=n2 NodeHostname=slurm NodeAddr=10.0.0.1 Port=6819 CPUs=8 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE
END
printf 'CgroupPlugin=cgroup/v1\nCgroupAutomount=no\n' >cgroup.conf
export SLURM_CONF=$folder/slurm.conf

munged --foreground --force --key-file=key/key --socket="$folder/munge" --pid-file="$folder/munged.pid" \
  --log-file="$folder/munged.log" --seed-file="$folder/key/seed" >munged.out 2>&1 &
until [ -S munge ]; do kill -0 $! && sleep 0.02; done || exit 77
slurmctld -D -c >slurmctld.out 2>&1 &
slurmd -D -N n1 >n1.out 2>&1 &
slurmd -D -N n2 >n2.out 2>&1 &
for _ in $(seq 300); do
  [ "$(sinfo -h -t idle -o %D 2>/dev/null)" = 2 ] && break
  sleep 0.1
done
if [ "$(sinfo -h -t idle -o %D 2>/dev/null)" != 2 ]; then
  echo "Slurm does not start: $(grep -h -i -E 'error|fatal' ./*.out | tail -n 3)" >&2
  exit 77
fi
set +e
"$@"
