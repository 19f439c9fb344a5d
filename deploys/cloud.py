"""The cloud itself: the estate's machines, their volumes, network and security groups. Run from this computer; needs OS_CLOUD."""

from pyinfra import host

from operations.cloud import cloud
from operations.engine import first_time
from recettes.cloud.wanted import wanted_cloud

lab = host.data.lab

if "cloud" in host.groups and first_time("cloud"):
    cloud(
        name="Machines, volumes, network and security groups",
        wanted=wanted_cloud(lab.wishes.lab, lab.cloud, lab.now),
        vault=lab.vault,
        purge=(host.data.get("cloud_purge") or "").split(),
    )
