"""What makes a Debian machine a cluster: Slurm on one node, an account without any right, and sshd as its robot node has it."""

from __future__ import annotations

from collections.abc import Mapping

from recettes.ocr.debian import PYTHON_PACKAGES

# The machine's name, in every estate: Slurm's settings, made beforehand, say it.
HOST = "hpc"
USER = "ada"
USER_ID = 1100
HOME = f"/home/{USER}"
# Where a key meets the second stage, as on the host "robot" of real clusters; at 22 it is the login node.
ROBOT_PORT = 2222
KRAKEN = "/opt/kraken"

PACKAGES = ("slurmctld", "slurmd", "slurm-client", "munge", "bubblewrap", "fonts-dejavu-core", "rsync", *PYTHON_PACKAGES)

_SLURM = f"""# Made for tests: quick rather than thrifty.
ClusterName=test
SlurmctldHost={HOST}
SlurmUser=slurm
AuthType=auth/munge
StateSaveLocation=/var/lib/slurm/slurmctld
SlurmdSpoolDir=/var/lib/slurm/slurmd
SlurmctldLogFile=/var/log/slurm/slurmctld.log
SlurmdLogFile=/var/log/slurm/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
# The job's memory is looked at every second, and a job that takes more than it asked for is ended.
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
ReturnToService=2
MinJobAge=3600
KillWait=2
MessageTimeout=3
SchedulerParameters=sched_interval=1,batch_sched_delay=0,bf_interval=1
MailProg=/bin/true
Include /etc/slurm/node.conf
PartitionName=all Nodes={HOST} Default=YES MaxTime=INFINITE State=UP
"""

# The computer under the container decides how large the node is.
_NODE_UNIT = """[Unit]
Description=What Slurm is told of this node
Before=slurmctld.service slurmd.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'slurmd -C | grep ^NodeName= >/etc/slurm/node.conf'

[Install]
WantedBy=multi-user.target
"""

_SSHD = f"""Port 22
Port {ROBOT_PORT}
Match LocalPort {ROBOT_PORT}
    AuthenticationMethods publickey,keyboard-interactive
    KbdInteractiveAuthentication yes
"""

# The second stage asks nothing, as on the Alliance's automation nodes.
_PAM = """auth required pam_permit.so
account required pam_unix.so
session required pam_permit.so
"""

FILES: Mapping[str, str] = {
    "/etc/slurm/slurm.conf": _SLURM,
    "/etc/slurm/node.conf": "",
    "/etc/systemd/system/slurm-node.service": _NODE_UNIT,
    # Without the penalties tests that try the wrong thing over and over would be locked out.
    "/etc/ssh/sshd_config.d/cluster.conf": "PerSourcePenalties no\nMaxStartups 100\n" + _SSHD,
    "/etc/pam.d/sshd": _PAM,
}
UNITS = ("slurm-node.service", "munge.service", "slurmctld.service", "slurmd.service")
