"""The lab: what holds for all machines."""

from recettes.declarations.flows import Flow
from recettes.declarations.lab import Lab

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
    # "acme" where the names are real and the world can reach the web machine.
    issuer="local",
    time_zone="America/Montreal",
)
