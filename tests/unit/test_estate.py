"""An estate's machines are read, or the mistake is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from recettes.estate import EstateError, read_estate


def estate(tmp_path: Path, text: str, name: str = "lab") -> Path:
    folder = tmp_path / name
    folder.mkdir()
    (folder / "machines.toml").write_text(text)
    return folder


def test_machines_have_an_address_and_groups(tmp_path: Path) -> None:
    found = read_estate(estate(tmp_path, '[one]\naddress = "203.0.113.5"\ngroups = ["web", "xmldb"]\nuser = "debian"\n'))
    assert found.machines["one"].groups == ("web", "xmldb")
    data = found.ssh_data(found.machines["one"])
    assert data["ssh_strict_host_key_checking"] == "yes"
    assert data["_sudo"] is True


def test_before_bin_try_one_sentence_says_to_run_it(tmp_path: Path) -> None:
    with pytest.raises(EstateError, match=r"^There is no lab in containers yet. Type bin/try: it makes one.$"):
        read_estate(tmp_path / "containers")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("web = 3", "a machine is a table"),
        ('[web]\ngroups = ["web"]', r"\[web\] address: is missing"),
        ('[web]\naddress = "a"\ngroups = ["wbe"]', r"\[web\] groups: is \['wbe'\]; it is a list of one or more of web"),
        ('[web]\naddress = "a"\ngroups = ["web"]\nadress = "b"', r"\[web\] adress: is not known; known are address"),
        ('[a]\naddress = "a"\ngroups = ["web"]\n[b]\naddress = "a"\ngroups = ["apps"]', "b and a have the same address"),
        ('[web]\naddress = "web.example.org"\ngroups = ["web"]', r"\[web\] private_address: is needed, an IP address"),
        ('[web]\naddress = "192.0.2.1"\ngroups = ["web"]\nport = "22"', r"\[web\] port: is '22'; it is a number"),
        ('[web]\naddress = "192.0.2.1"\ngroups = ["web"]\nuser = "a b"', r"\[web\] user: is 'a b'; it is one word"),
        ('["../web"]\naddress = "192.0.2.1"\ngroups = ["web"]', "is no name of a machine"),
        ("[web", "machines.toml"),
    ],
)
def test_a_mistake_is_named_with_its_place_and_what_is_allowed(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(EstateError, match=said):
        read_estate(estate(tmp_path, text))


THREE = """
[a]
address = "10.0.0.1"
groups = [{a}]
[b]
address = "10.0.0.2"
groups = [{b}]
[c]
address = "10.0.0.3"
groups = ["xmldb"]
"""


@pytest.mark.parametrize(
    ("a", "b", "web"),
    [
        ('"apps"', '"xmldb", "images"', ["b"]),
        ('"apps"', '"images"', ["c"]),
        ('"apps", "web"', '"xmldb"', ["a"]),
        ('"xmldb"', '"web"', ["b"]),
    ],
)
def test_without_a_web_machine_the_first_of_the_xml_databases_is_one_as_well(
    tmp_path: Path, a: str, b: str, web: list[str]
) -> None:
    found = read_estate(estate(tmp_path, THREE.format(a=a, b=b)))
    assert [machine.name for machine in found.of_group("web")] == web
    assert list(found.machines) == ["a", "b", "c"]


def test_an_estate_in_which_none_can_stand_in_has_no_web_machine(tmp_path: Path) -> None:
    assert read_estate(estate(tmp_path, '[one]\naddress = "10.0.0.1"\ngroups = ["apps"]\n')).of_group("web") == []
