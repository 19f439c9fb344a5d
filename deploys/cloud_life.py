"""One thing done to the estate's machines or volumes in the cloud. Called by bin/cloud, which says what is wanted."""

from pyinfra import host

from operations.cloud import cloud_life
from recettes.cloud.life.asked import Asked
from recettes.cloud.wanted import wanted_cloud

lab = host.data.lab

if "cloud" in host.groups:
    asked = Asked(**host.data.cloud_life)  # pyinfra has read the JSON
    cloud_life(
        name=f"{asked.command} {asked.name}".rstrip(),
        wanted=wanted_cloud(lab.wishes.lab, lab.cloud, lab.now),
        vault=lab.vault,
        asked=asked,
    )
