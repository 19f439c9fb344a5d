"""The lab: what holds for all machines."""

from datetime import date

from recettes.declarations.flows import Flow
from recettes.declarations.lab import Lab
from recettes.declarations.ocr import KrakenProgram, Ocr, OcrCluster, OcrJob, OcrModel

lab = Lab(
    name="Laboratoire d’humanités numériques",
    domain="lab.test",
    contact="administrator@lab.test",
    # One line a person; `until` ends it by itself:
    # administrators=(Administrator(name="ada", keys=("ssh-ed25519 AAAA… ada",), until=date(2028, 8, 31)),),
    administrator_networks=(),
    flows=(
        Flow(source="world", to="web", port=443, why="the sites"),
        Flow(source="world", to="web", port=80, why="sends visitors to HTTPS, and answers certificate authorities"),
        Flow(source="web", to="xmldb", port=8984, why="the editions"),
    ),
    # The cluster of bin/try --cluster; an estate without a machine "hpc" is none the worse for it. A real one takes its keys
    # through a portal, as is the default, and Kraken as wheels: see docs/ocr.md.
    ocr=Ocr(
        clusters=(
            OcrCluster(
                name="hpc",
                home="/home/ada",
                until=date(2035, 12, 31),
                kraken=KrakenProgram(program="/opt/kraken/bin/kraken"),
                keys_by="authorized_keys",
                robot_port=2222,
                job=OcrJob(minutes=20, memory_mb=3000, cpus=1, formats=("alto", "page")),
            ),
        ),
        models=(
            OcrModel(
                name="tiny-print",
                file="tests/data/tiny-print.safetensors",
                sha256="39fe4578ea1f6c39763912a95f90b5be9ff6b3fedca165b3e5ac58b9900a5f6a",
            ),
        ),
    ),
    # "acme" where the names are real and the world can reach the web machine.
    issuer="local",
    time_zone="America/Montreal",
)
