"""The firewall on a real machine: exact, healed, and never able to keep its administrator out."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from recettes.containers.estate import ContainersEstate, temporary_estate
from recettes.containers.machine import Machine
from recettes.containers.waiting import until
from tests.containers.one_operation import KILLED_IN_TRIAL, Controller

pytestmark = pytest.mark.containers

SAVED = "/etc/recettes/firewall.nft"
UNIT = "recettes-firewall.service"
CUT_SECONDS = 24  # a trial that will fail: long enough for a busy computer, short enough to wait for
BYPASSED = "import operations.firewall; operations.firewall.locked_out = lambda *_: None\n"
ALL_CUT = """import recettes.firewall
_DROP = "chain cut_{0} {{ type filter hook {0} priority 0; policy drop; }}"
recettes.firewall._input = lambda rules: [_DROP.format(way) for way in ("input", "output")]
"""


def deploy(*flows: str, administrators: str = "", ssh_port: int = 22, addresses: str = "{}", muted: str = "") -> str:
    return f"""
from datetime import date
from operations.files import files
from operations.firewall import firewall
from recettes.declarations.flows import Flow
from recettes.firewall import firewall_files
from recettes.flows import rules_for
flows = [{", ".join(f'Flow({flow}, to="web", why="test")' for flow in flows)}]
files(name="Boot unit", wanted=firewall_files())
firewall(
    name="Firewall",
    rules=rules_for(
        ["web"], flows, addresses={addresses}, administrators={administrators.split()!r}, ssh_port={ssh_port},
        muted={muted.split()!r},
    ),
    today=date.today(),
)
"""


SITES = deploy('source="world", port=80', 'source="world", port=443')
OTHERS = deploy('source="world", port=443', 'source="192.0.2.0/24", port=8080')


@pytest.fixture(scope="module")
def estate() -> Iterator[ContainersEstate]:
    with temporary_estate(["web", "xmldb"]) as made:
        yield made


@pytest.fixture
def web(estate: ContainersEstate) -> Machine:
    machine = estate.make()["web"]
    machine.run(f"nft destroy table inet recettes; rm -f {SAVED}; systemctl disable -q {UNIT} 2>/dev/null || :")
    return machine


@pytest.fixture
def controller(estate: ContainersEstate, web: Machine, tmp_path: Path) -> Controller:
    return Controller(estate, tmp_path)


def table(machine: Machine) -> str:
    return machine.run("nft list table inet recettes").out


def comes_in(estate: ContainersEstate) -> bool:
    words = ["ssh", "-F", str(estate.ssh_config), "-o", "BatchMode=yes", "-o", "ConnectTimeout=3", "web", "true"]
    return subprocess.run(words, capture_output=True, timeout=20, check=False).returncode == 0


def test_a_dry_run_says_what_the_run_does_and_a_second_run_does_nothing(controller: Controller, web: Machine) -> None:
    planned, done = controller.dry(SITES), controller.attempt(SITES)
    assert done.status == 0, done.output
    assert planned.changes == done.changes
    assert "table inet recettes" in planned.items
    assert controller.dry(SITES).changes == []
    again = controller.attempt(SITES)
    assert again.changes == [] and "No changes" in again.output
    assert "dport 443 accept" in table(web)
    assert web.run(f"stat -c %U:%G:%a {SAVED}").out.strip() == "root:root:600"


def test_a_changed_flow_is_shown_and_a_dropped_one_is_closed(controller: Controller, web: Machine) -> None:
    controller.settle(SITES)
    planned = controller.dry(OTHERS)
    [change] = [change for change in planned.changes if change.item == "table inet recettes"]
    assert any(line.startswith("-") and "dport 80 " in line for line in change.diff)
    assert any(line.startswith("+") and "192.0.2.0/24" in line for line in change.diff)
    assert controller.attempt(OTHERS).changes == planned.changes
    assert "dport 80 " not in table(web)


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        ("nft 'flush chain inet recettes input; add rule inet recettes input accept'", "table inet recettes"),
        ("nft delete table inet recettes", "table inet recettes"),
        ("nft insert rule inet recettes input accept", "table inet recettes"),
        ("nft add element inet recettes from_administrators4 '{ 198.51.100.0/24 }'", "table inet recettes"),
        ("nft add element inet recettes present4 '{ 198.51.100.7 }'", "198.51.100.7"),
        (f"rm {SAVED}", SAVED),
        (f"sed -i s/443/444/ {SAVED}", SAVED),
        (f"chmod 644 {SAVED}", SAVED),
        ("systemctl enable -q nftables.service", "nftables.service"),
    ],
)
def test_damage_is_named_by_the_dry_run_and_healed(controller: Controller, web: Machine, damage: str, named: str) -> None:
    wanted = deploy('source="world", port=443', administrators="192.0.2.0/24")
    controller.settle(wanted)
    before = table(web)
    web.run(damage)
    planned = controller.dry(wanted)
    assert named in planned.items, planned.output
    healed = controller.attempt(wanted)
    assert healed.status == 0, healed.output
    assert healed.changes == planned.changes
    assert controller.dry(wanted).changes == []
    assert table(web) == before


def test_only_root_is_told_by_the_cloud_what_the_machine_was_started_with(controller: Controller, web: Machine) -> None:
    controller.settle(SITES)
    web.run("ip address add 169.254.169.254/32 dev lo; systemd-run -q -u metadata python3 -m http.server -b 169.254.169.254 80")
    ask = "curl -s -m 5 -o /dev/null -w '%{http_code}' http://169.254.169.254/"
    try:
        until(lambda: web.run(ask, check=False).out == "200", "root is answered")
        assert web.run(f"runuser -u nobody -- {ask}", check=False).out == "000"
    finally:
        web.run("systemctl stop metadata; ip address del 169.254.169.254/32 dev lo")


def test_tables_of_others_are_left_alone(controller: Controller, web: Machine) -> None:
    web.run("nft add table inet f2b-table; nft add set inet f2b-table banned '{ type ipv4_addr; elements = { 198.51.100.9 } ; }'")
    controller.settle(SITES)
    controller.settle(OTHERS)
    assert "198.51.100.9" in web.run("nft list table inet f2b-table; nft delete table inet f2b-table").out


def test_a_muted_account_answers_but_asks_nobody_and_its_loss_leaves_no_machine_open(
    controller: Controller, web: Machine
) -> None:
    web.run("id mute 2>/dev/null || useradd --system mute")
    web.run("id talker 2>/dev/null || useradd --system talker")
    muting = deploy('source="world", port=443', muted="mute not-yet-made")
    planned = controller.dry(muting)
    web.run("useradd --system not-yet-made")
    assert controller.attempt(muting).changes == planned.changes
    assert controller.dry(muting).changes == []
    asking = "runuser -u {} -- curl -s -m 5 telnet://127.0.0.1:22 </dev/null"
    assert web.run(asking.format("mute"), check=False).code == 7  # refused, and at once
    assert "SSH-" in web.run(asking.format("talker"), check=False).out
    web.run("userdel not-yet-made; nft delete table inet recettes; systemctl restart recettes-firewall")
    assert "policy drop" in table(web)


def test_rules_that_would_lock_the_administrator_out_are_refused(controller: Controller, web: Machine) -> None:
    controller.settle(SITES)
    before = table(web)
    for run in (controller.dry(deploy(ssh_port=2222)), controller.attempt(deploy(ssh_port=2222))):
        assert "these rules would lock you out" in run.output
        assert run.changes == []
    assert table(web) == before


@pytest.mark.parametrize(
    ("how", "said"), [(deploy(ssh_port=2222), "nobody can come in"), (ALL_CUT + SITES, "cut this very connection")]
)
def test_a_cut_off_administrator_gets_the_old_rules_back(
    controller: Controller, estate: ContainersEstate, web: Machine, how: str, said: str
) -> None:
    controller.settle(OTHERS)
    before, saved = table(web), web.run(f"cat {SAVED}").out
    controller.seconds = CUT_SECONDS
    run = controller.attempt(BYPASSED + how)
    assert run.status != 0
    assert said in run.output, run.output
    assert "returns within 24 seconds" in run.output
    assert "the firewall of before is back" in run.output
    assert comes_in(estate)
    assert table(web) == before
    assert web.run(f"cat {SAVED}").out == saved


def test_a_killed_controller_leaves_the_old_rules_and_the_next_run_converges(controller: Controller, web: Machine) -> None:
    controller.settle(SITES)
    before = table(web)
    controller.seconds = CUT_SECONDS
    assert controller.attempt(KILLED_IN_TRIAL + OTHERS).status == -9
    assert table(web) != before
    until(lambda: table(web) == before, "the old rules are back")
    controller.seconds = 60
    controller.settle(OTHERS)


def test_a_run_right_after_a_killed_one_takes_its_trial_back_first(controller: Controller, web: Machine) -> None:
    controller.settle(SITES)
    before = table(web)
    controller.seconds = CUT_SECONDS
    assert controller.attempt(KILLED_IN_TRIAL + OTHERS).status == -9
    assert controller.attempt(KILLED_IN_TRIAL + deploy('source="world", port=80')).status == -9
    until(lambda: table(web) == before, "what returns is what was before both trials")


def test_a_reboot_during_the_trial_gives_the_old_rules(controller: Controller, web: Machine) -> None:
    controller.settle(SITES)
    web.run(f"systemctl enable -q {UNIT}")
    before = table(web)
    controller.seconds = 300
    assert controller.attempt(KILLED_IN_TRIAL + OTHERS).status == -9
    assert table(web) != before
    web.reboot()
    assert table(web) == before
    assert web.run(f"systemctl is-active {UNIT}").out.strip() == "active"
    assert controller.dry(SITES).changes == []


def test_two_administrators_at_different_addresses_do_not_undo_each_other(
    controller: Controller, estate: ContainersEstate, web: Machine, tmp_path: Path
) -> None:
    jump = tmp_path / "ssh_config"
    jump.write_text(f"Host {web.address}\n    ProxyJump xmldb\n" + estate.ssh_config.read_text())
    folder = tmp_path / "other"
    folder.mkdir()
    other = Controller(estate, folder, data={"ssh_config_file": str(jump)})
    xmldb = estate.machine("xmldb").address
    controller.settle(SITES)
    web.run("nft delete table inet recettes")  # or the second would not come in at all
    planned = other.dry(SITES)
    assert planned.items == ["table inet recettes", xmldb, SAVED], planned.output
    other.settle(SITES)
    assert controller.attempt(SITES).changes == []
    assert other.attempt(SITES).changes == []
    assert xmldb in table(web)


def test_an_address_that_the_declared_networks_cover_is_not_noted(controller: Controller, web: Machine) -> None:
    controller.settle(deploy(administrators=f"{web.address.rpartition('.')[0]}.0/24"))
    assert 'comment "20' not in table(web)


@pytest.mark.slow
def test_a_scan_from_another_machine_finds_exactly_the_flows(
    controller: Controller, estate: ContainersEstate, web: Machine
) -> None:
    other = estate.machine("xmldb")
    other.run("command -v nmap || { apt-get update -q && apt-get install -qy --no-install-recommends nmap; }")
    wanted = deploy('source="world", port=443', 'source="xmldb", port=9000', 'source="apps", port=9001',
                    addresses=repr({"xmldb": [other.address], "apps": ["192.0.2.7"]}))  # fmt: skip
    controller.settle(wanted)
    for port in (443, 3306, 9000, 9001):
        web.run(f"systemd-run -q --collect --unit=listen-{port} python3 -m http.server {port}")
        until(lambda port=port: web.run(f"ss -Hltn 'sport = {port}'").out != "", f"{port} is listened at")  # type: ignore[misc]
    found = other.run(f"nmap -n -Pn -sS -p- --min-rate 10000 --max-retries 2 -oG - {web.address}").out
    assert re.findall(r"(\d+)/(open|closed)", found) == [("443", "open"), ("9000", "open")]


def test_it_works_by_way_of_sudo(tmp_path: Path) -> None:
    with temporary_estate(["web"], user="debian") as estate:
        controller = Controller(estate, tmp_path)
        controller.settle(SITES)
        assert estate.machine("web").place.address.rpartition(".")[0] + ".1" in table(estate.machine("web"))
