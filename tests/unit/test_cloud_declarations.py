"""What may be declared of a cloud, and how its estates differ."""

from __future__ import annotations

from pathlib import Path

import pytest

from recettes.cloud.differences import estate_of, wishes_of
from recettes.declarations.base import DeclarationError
from recettes.declarations.cloud import Cloud, CloudEstate, CloudMachine, CloudVolume, Needs, machines_of, volumes_of
from recettes.estate import EstateError
from recettes.gather import Wishes, gather

LAB = """
from recettes.declarations.cloud import Cloud, CloudEstate, CloudMachine, CloudVolume, Needs
from recettes.declarations.flows import Flow
from recettes.declarations.lab import Lab, Project
from recettes.declarations.sites import RedirectSite
lab = Lab(name="Lab", domain="lab.test", contact="a@lab.test", administrator_networks={networks}, cloud={cloud})
old = Project(name="old", title="Old", answers="Ada", sites=(
    RedirectSite(name="old", host="ancien.lab.test", to="https://lab.test/new"),
))
"""
MACHINE = 'CloudMachine(name="web", groups=("web",), flavour=Needs(vcpus=2, memory=4))'


def gathered(tmp_path: Path, cloud: str, networks: str = '("192.0.2.0/24",)') -> Wishes:
    (tmp_path / "lab.py").write_text(LAB.format(cloud=cloud, networks=networks))
    return gather(tmp_path)


@pytest.mark.parametrize(
    ("cloud", "sentence"),
    [
        ("Cloud(machines=())", "Cloud.machines: is empty"),
        (f"Cloud(machines=({MACHINE}, {MACHINE}))", "'web' is the name of another machine"),
        ('Cloud(machines=(CloudMachine(name="db", groups=("dbs",), flavour="m1"),))', "one or more of web, xmldb"),
        ('Cloud(machines=(CloudMachine(name="db", groups=("hpc",), flavour="m1"),))', "one or more of web, xmldb"),
        (
            'Cloud(machines=(CloudMachine(name="db", groups=("apps",), flavour="m1"),))',
            "no machine of production has a floating IP",
        ),
        (f'Cloud(machines=({MACHINE},), private="203.0.113.0/24")', "is not a private IPv4 network"),
        (
            f'Cloud(machines=({MACHINE},), volumes=(CloudVolume(name="d", machine="x", size=1, mount="/srv/d"),))',
            "there is no machine 'x'; there are web",
        ),
        (
            f'Cloud(machines=({MACHINE},), volumes=(CloudVolume(name="d", machine="web", size=1, mount="/etc"),))',
            "is not a folder below /srv",
        ),
        (
            f'Cloud(machines=({MACHINE},), volumes=(CloudVolume(name="d", machine="web", size=1, mount="/srv/d", project="x"),))',
            "there is no project 'x'",
        ),
        (f'Cloud(machines=({MACHINE},), estates=(CloudEstate(name="test", together="x"),))', "there is no 'x'; there are web"),
        (
            'Cloud(machines=(CloudMachine(name="web", groups=("web",), flavour="a, b"),))',
            "is not the name of something in a cloud",
        ),
    ],
)
def test_a_mistake_is_named_before_anything_is_asked(tmp_path: Path, cloud: str, sentence: str) -> None:
    with pytest.raises(DeclarationError) as error:
        gathered(tmp_path, cloud)
    assert sentence in str(error.value)
    assert "lab.py:" in str(error.value)


def test_without_administrators_networks_nobody_could_come_in(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match="nobody could reach them by SSH"):
        gathered(tmp_path, f"Cloud(machines=({MACHINE},))", networks="()")


CLOUD = Cloud(
    machines=(
        CloudMachine(name="web", groups=("web",), flavour=Needs(vcpus=2, memory=4)),
        CloudMachine(name="xmldb", groups=("xmldb",), flavour=Needs(vcpus=4, memory=16), root=40),
    ),
    volumes=(
        CloudVolume(name="sites", machine="web", size=50, mount="/srv/sites"),
        CloudVolume(name="texts", machine="xmldb", size=200, mount="/srv/texts"),
    ),
    estates=(
        CloudEstate(name="production", cloud="prod"),
        CloudEstate(name="test", together="web", sizes={"texts": 10}, flavours={"web": "tiny"}, without=("sites",)),
    ),
)


def test_a_test_estate_can_be_one_machine_in_all_groups() -> None:
    test = CLOUD.estates[1]
    (machine,) = machines_of(CLOUD, test)
    assert (machine.name, machine.groups, machine.flavour) == ("web", ("web", "xmldb"), "tiny")
    assert [(one.name, one.machine, one.size) for one in volumes_of(CLOUD, test)] == [("texts", "web", 10)]
    assert [one.name for one in machines_of(CLOUD, CLOUD.estates[0])] == ["web", "xmldb"]


def test_the_estate_is_found_by_its_name_or_its_cloud_and_never_in_the_wrong_one() -> None:
    assert estate_of(CLOUD, None, "prod") == CLOUD.estates[0]
    assert estate_of(CLOUD, "test", "any") == CLOUD.estates[1]
    assert estate_of(CLOUD, "containers", "prod") is None
    assert estate_of(CLOUD, None, None) is None
    with pytest.raises(EstateError, match="RECETTES_ESTATE is not set, and there are production, test"):
        estate_of(CLOUD, None, "other")
    with pytest.raises(EstateError, match="declared to live in prod"):
        estate_of(CLOUD, "production", "other")


def test_a_test_estate_has_its_own_names_and_issuer(tmp_path: Path) -> None:
    wishes = gathered(tmp_path, f"Cloud(machines=({MACHINE},))")
    test = wishes_of(wishes, CloudEstate(name="test", domain="test.lab.test", issuer="acme"))
    assert (test.lab.domain, test.lab.issuer) == ("test.lab.test", "acme")
    (site,) = test.sites
    assert site.host == "ancien.test.lab.test"
    assert site.to == "https://test.lab.test/new"  # type: ignore[attr-defined]
    assert wishes_of(wishes, CloudEstate(name="production")) is wishes
