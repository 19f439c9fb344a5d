"""Machines and volumes of an estate in their life, on a real control plane, by bin/cloud as it is typed.

No machine runs here; that what they are told does what it says is tested in test_life_on_machine.py.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from recettes.durable import locked
from tests.cloud.control.launch import Control
from tests.cloud.lab import CloudLab, listed, steps
from tests.cloud.project import make_project
from tests.cloud.typed import Typed

# Two machines and a volume are enough, one with its system on a volume, and one with a disk of its own.
FEWER = "del machines[2:], volumes[1], flows[3]\nmachines[1] = machines[1].model_copy(update={'flavour': 'c2-7.5gb-31'})\n"


@pytest.fixture(scope="module")
def lab(control: Control, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Typed]:
    scratch = tmp_path_factory.mktemp("life")
    project = make_project(control.place, scratch / "cloud")
    lab = Typed(project, scratch, project.environment())
    lab.stand_in_for_ssh()
    lab.declare(FEWER)
    made = lab.apply()
    assert made.status == 0, made.output
    yield lab
    project.member.close()
    project.admin.close()


def server(lab: CloudLab, name: str) -> Any:
    cloud = lab.project.member.compute
    return cloud.get_server(next(one for one in cloud.servers() if one.name == f"production-{name}").id)


def volume(lab: CloudLab, name: str) -> Any:
    return next(one for one in lab.project.member.block_storage.volumes() if one.name == f"production-{name}")


def test_a_stop_asks_for_the_name_and_a_start_undoes_it(lab: Typed) -> None:
    wrong = lab.cloud("stop", "web", typed="wbe")
    assert (wrong.returncode, wrong.stderr) == (1, "Nothing was changed.\n")
    assert "stop server web" in wrong.stdout
    assert server(lab, "web").status == "ACTIVE"
    with locked(lab.folder / "cloud.lock"):
        meanwhile = lab.cloud("stop", "web", "--yes")
    assert meanwhile.returncode == 1
    assert "another run changes this estate's cloud at the moment. Nothing was changed" in meanwhile.stderr
    assert server(lab, "web").status == "ACTIVE"
    stopped = lab.cloud("stop", "web", "--yes")
    assert stopped.returncode == 0, stopped.stderr
    assert server(lab, "web").status == "SHUTOFF"
    started = lab.cloud("start", "web")
    assert started.returncode == 0, started.stderr
    assert server(lab, "web").status == "ACTIVE"


def test_a_machine_gets_another_flavour_and_a_volume_another_size(lab: Typed) -> None:
    lab.declare(FEWER + "machines[0] = machines[0].model_copy(update={'flavour': 'p4-8gb'})\n"
                "volumes[0] = volumes[0].model_copy(update={'size': 5})\n")  # fmt: skip
    resized = lab.cloud("resize", "web", "--yes")
    assert resized.returncode == 0, resized.stderr
    web = server(lab, "web")
    assert (web.status, web.flavor["original_name"]) == ("ACTIVE", "p4-8gb")

    lab.stand_in_for_ssh(255)
    cut_off = lab.cloud("extend", "texts", "--stopped")
    assert cut_off.returncode == 1
    assert "xmldb could not be reached" in cut_off.stderr
    assert (volume(lab, "texts").size, volume(lab, "texts").status) == (5, "in-use")
    assert server(lab, "xmldb").status == "ACTIVE"
    lab.stand_in_for_ssh()
    again = lab.cloud("extend", "texts")
    assert again.returncode == 0, again.stderr
    assert "grow volume texts" in again.stdout
    assert "extend volume" not in again.stdout
    assert "-- xmldb" in lab.told
    assert "/srv/texts" in lab.told


def content(lab: CloudLab, name: str) -> Path:
    return lab.project.place.folder / "volumes" / f"volume-{volume(lab, name).id}"


def snapshots(lab: CloudLab) -> list[str]:
    return [one.name for one in lab.project.member.block_storage.snapshots()]


def test_a_machine_and_its_volume_come_back_as_they_were_in_a_snapshot(lab: Typed) -> None:
    with content(lab, "texts").open("r+b") as file:
        file.write(b"as it was")
    lab.stand_in_for_ssh()
    taken = lab.cloud("snapshot", "xmldb")
    assert taken.returncode == 0, taken.stderr
    assert "systemctl stop" in lab.told.split("-- xmldb")[1]
    assert "recettes-quiet-ends.timer" in lab.told.split("-- xmldb")[2]
    (name,) = snapshots(lab)
    label = name.removeprefix("production-texts-")
    assert f"{label}  texts  5 GB  available" in lab.cloud("snapshots").stdout
    images = [one.name for one in lab.project.member.image.images(visibility="private")]
    assert f"production-xmldb-{label}" in images  # its own disk

    with content(lab, "texts").open("r+b") as file:
        file.write(b"damaged!!")
    before, old = volume(lab, "texts").id, server(lab, "xmldb").id
    restored = lab.cloud("restore", "texts", "--yes")
    assert restored.returncode == 0, restored.stderr
    assert content(lab, "texts").read_bytes()[:9] == b"as it was"
    aside = [one for one in lab.project.member.block_storage.volumes() if one.id == before]
    assert re.fullmatch(r"production-texts-until-[0-9]{8}t[0-9]{6}z", aside[0].name)
    assert volume(lab, "texts").attachments[0]["server_id"] == old
    assert server(lab, "xmldb").status == "ACTIVE"
    system = {one.name: one.id for one in lab.project.member.image.images()}
    assert server(lab, "xmldb").image.id != system[f"production-xmldb-{label}"]  # a volume was asked for, and no more

    whole = lab.cloud("restore", "xmldb", "--from", label, "--yes")
    assert whole.returncode == 0, whole.stderr
    restored_server = server(lab, "xmldb")
    assert (restored_server.id, restored_server.status) == (old, "ACTIVE")
    assert restored_server.image.id == system[f"production-xmldb-{label}"]
    assert volume(lab, "texts").attachments[0]["server_id"] == old
    assert content(lab, "texts").read_bytes()[:9] == b"as it was"

    dropped = lab.cloud("drop-snapshot", "xmldb", "--from", label, "--yes")
    assert dropped.returncode == 0, dropped.stderr
    lab.stand_in_for_ssh(1)
    refused = lab.cloud("snapshot", "xmldb")
    assert refused.returncode == 1
    assert "did not do it" in refused.stderr
    assert snapshots(lab) == []  # nothing is taken that would not be of one moment


def test_a_restored_machine_keeps_its_address_and_its_old_system_is_kept_aside(lab: Typed) -> None:
    taken = lab.cloud("snapshot", "web", "--stopped")
    assert taken.returncode == 0, taken.stderr
    cloud = lab.project.member
    first, root = server(lab, "web"), volume(lab, "web-root")
    restored = lab.cloud("restore", "web", "--yes")
    assert restored.returncode == 0, restored.stderr
    assert "stop server web" in restored.stdout  # in order, before its server goes
    second, new = server(lab, "web"), volume(lab, "web-root")
    assert second.id != first.id
    assert second.addresses == first.addresses
    assert (new.attachments[0]["server_id"], new.is_bootable) == (second.id, True)
    assert "-until-" in cloud.block_storage.get_volume(root.id).name
    assert lab.dry().changes == []


def opened(lab: CloudLab, name: str) -> set[tuple[object, ...]]:
    (port,) = lab.project.member.network.ports(name=f"production-{name}")
    groups = [lab.project.member.network.get_security_group(id_) for id_ in port.security_group_ids]
    return {(r["direction"], r["port_range_min"], r["remote_ip_prefix"]) for group in groups for r in group.security_group_rules}


def test_a_machine_in_quarantine_is_open_to_administrators_only_until_its_end(lab: Typed) -> None:
    before = opened(lab, "web")
    shut = lab.cloud("quarantine", "web", "--yes")
    assert shut.returncode == 0, shut.stderr
    assert opened(lab, "web") == {("ingress", 22, "192.0.2.0/24"), ("ingress", 22, None)}  # None: of group web, for a jump
    assert lab.dry().changes == []
    ended = lab.cloud("quarantine", "web", "--end", "--yes")
    assert ended.returncode == 0, ended.stderr
    assert opened(lab, "web") == before


def test_ssh_is_open_to_one_address_and_what_is_over_is_closed(lab: Typed) -> None:
    group = next(one for one in lab.project.member.network.security_groups() if one.name == "production-web")
    lab.project.member.network.create_security_group_rule(
        security_group_id=group.id, direction="ingress", ethertype="IPv4", protocol="tcp", port_range_min=22, port_range_max=22,
        remote_ip_prefix="198.51.100.10/32", description="until 2020-01-01T00:00+00:00",
    )  # fmt: skip
    until = datetime.now() + timedelta(minutes=90)
    done = lab.cloud("open-ssh", "web", "--until", f"{until:%H:%M}", "--from", "198.51.100.9")
    assert done.returncode == 0, done.stderr
    closing = re.search(r"process ([0-9]+) of this computer closes it", done.stdout)
    assert closing
    os.kill(int(closing[1]), signal.SIGTERM)  # it would wait for as long
    assert server(lab, "web").metadata["recettes-ssh"].startswith("198.51.100.9 ")
    assert {("ingress", 22, f"198.51.100.{n}/32") for n in (9, 10)} <= opened(lab, "web")
    assert lab.cloud("close-ssh", "--at", "2020-01-01T00:00+00:00").returncode == 0
    assert ("ingress", 22, "198.51.100.9/32") in opened(lab, "web")
    assert ("ingress", 22, "198.51.100.10/32") not in opened(lab, "web")


def test_the_console_is_shown_and_a_quota_that_is_too_small(lab: Typed) -> None:
    shown = lab.cloud("console", "web")
    assert shown.returncode == 0
    assert "web is ACTIVE" in shown.stdout
    assert "LAST LINE" in shown.stdout
    lab.project.quota(cores=6)
    lab.declare()
    quota = lab.cloud("quota")
    assert quota.returncode == 1, quota.stdout
    assert "vCPU: 6 allowed, and the estate needs 8: ask for 2 more" in quota.stdout
    asked = lab.cloud("request")
    assert asked.returncode == 0, asked.stderr
    assert "vCPU" in asked.stdout
    records = lab.cloud("dns")
    assert records.returncode == 0, records.stderr
    assert records.stdout == "$ORIGIN lab.test.\n"  # it has no site


def test_what_is_renamed_is_the_same_with_all_that_was_taken_of_it(lab: Typed) -> None:
    lab.stand_in_for_ssh()
    lab.declare(FEWER)
    taken = lab.cloud("snapshot", "xmldb")
    assert taken.returncode == 0, taken.stderr
    before = (server(lab, "xmldb").id, volume(lab, "texts").id)
    lab.declare(
        FEWER + "machines[1] = machines[1].model_copy(update={'name': 'basex', 'formerly': 'xmldb'})\n"
        "volumes[0] = volumes[0].model_copy(update={'name': 'corpus', 'formerly': 'texts', 'machine': 'basex'})\n"
    )
    renamed = lab.apply()
    assert renamed.status == 0, renamed.output
    assert steps(renamed, "run") == ["rename server xmldb", "rename port xmldb", "rename volume texts"]
    assert (server(lab, "basex").id, volume(lab, "corpus").id) == before
    assert lab.dry().changes == []
    line = next(line for line in lab.cloud("snapshots").stdout.splitlines() if "  corpus  " in line)
    dropped = lab.cloud("drop-snapshot", "basex", "--from", line.split()[0], "--yes")
    assert dropped.returncode == 0, dropped.stderr
    assert not [name for kind in ("snapshots", "images") for name in listed(lab.project)[kind] if line.split()[0] in name]
