"""What makes a Debian machine a cluster: Slurm on one node, an account without any right, and sshd as its robot node has it."""

from __future__ import annotations

from collections.abc import Mapping

# The machine's name, in every estate: Slurm's settings, made beforehand, say it.
HOST = "hpc"
USER = "ada"
USER_ID = 1100
HOME = f"/home/{USER}"
# Where a key meets the second stage, as on the host "robot" of real clusters; at 22 it is the login node.
ROBOT_PORT = 2222
KRAKEN = "/opt/kraken"

# Of the lock file's distributions, those that the Debian packages below bring.
PROVIDED = (
    "certifi", "charset-normalizer", "click", "cloudpickle", "filelock", "fsspec", "idna", "imageio", "jinja2", "joblib",
    "jsonschema", "jsonschema-specifications", "lazy-loader", "lxml", "markdown", "markdown-it-py", "markupsafe", "mdurl",
    "mpmath", "networkx", "numpy", "packaging", "pillow", "platformdirs", "protobuf", "pygments", "python-dateutil",
    "pyyaml", "referencing", "regex", "requests", "rich", "rpds-py", "scikit-image", "scipy", "setuptools", "shapely",
    "sympy", "threadpoolctl", "tifffile", "torch", "torchvision", "typing-extensions", "tzdata", "urllib3",
    # Kraken names it, and only its training would use it.
    "scikit-learn",
    # For graphics cards, of which a container has none: 2.6 GB.
    "cuda-bindings", "cuda-pathfinder", "cuda-toolkit", "nvidia-cublas", "nvidia-cuda-cupti", "nvidia-cuda-nvrtc",
    "nvidia-cuda-runtime", "nvidia-cudnn-cu13", "nvidia-cufft", "nvidia-cufile", "nvidia-curand", "nvidia-cusolver",
    "nvidia-cusparse", "nvidia-cusparselt-cu13", "nvidia-nccl-cu13", "nvidia-nvjitlink", "nvidia-nvshmem-cu13",
    "nvidia-nvtx", "triton",
)  # fmt: skip
PYTHON_PACKAGES = (
    "python3-click", "python3-dateutil", "python3-jinja2", "python3-jsonschema", "python3-lxml", "python3-markdown",
    "python3-numpy", "python3-packaging", "python3-pil", "python3-platformdirs", "python3-protobuf", "python3-regex",
    "python3-requests", "python3-rich", "python3-scipy", "python3-shapely", "python3-skimage", "python3-threadpoolctl",
    "python3-torch", "python3-torchvision", "python3-venv",
)  # fmt: skip
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
