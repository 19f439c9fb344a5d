"""An estate from an empty project to its end, on a real control plane. Security groups are rows there: no firewall is tested."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from recettes.ssh_keys import public_half
from tests.cloud.control.launch import Control
from tests.cloud.lab import CloudLab, group_rules, listed, said, settled, steps
from tests.cloud.project import make_project


@pytest.fixture(scope="module")
def lab(control: Control, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudLab]:
    """An estate of five machines, made by one run."""
    scratch = tmp_path_factory.mktemp("lab")
    project = make_project(control.place, scratch / "cloud")
    yield CloudLab(project, scratch, project.environment())
    project.member.close()
    project.admin.close()


def test_an_empty_project_becomes_the_estate_and_then_nothing_changes(lab: CloudLab) -> None:
    planned = lab.dry()
    assert planned.status == 0, planned.output
    assert "needs" in said(planned)
    before = listed(lab.project)
    assert before["servers"] == before["volumes"] == before["networks"] == []
    assert not (lab.folder / "administrator").exists()

    made = lab.apply("-vvv")
    assert made.status == 0, made.output
    (lab.scratch / "told").write_text(made.output)
    assert steps(made, "run") == steps(planned, "plan")
    there = listed(lab.project)
    assert there["servers"] == [f"production-{name}" for name in ("apps", "images", "vips", "web", "xmldb")]
    assert there["volumes"] == [
        f"production-{name}" for name in ("apps-root", "images-root", "pictures", "texts", "web-root", "xmldb-root")
    ]
    assert len(there["floating"]) == 1
    assert all(server.status == "ACTIVE" for server in lab.project.member.compute.servers())
    assert group_rules(lab.project, "default") == []
    assert group_rules(lab.project, "production-xmldb") == [
        ("IPv4", "tcp", 22, "192.0.2.0/24"),
        ("IPv4", "tcp", 22, "a group"),
        ("IPv4", "tcp", 8984, "a group"),
    ]
    again = lab.apply()
    assert again.status == 0, again.output
    assert again.changes == []


def test_no_secret_is_told(lab: CloudLab) -> None:
    key = lab.vault.get("host-key/web").reveal()
    secret = (lab.project.clouds.read_text().split("application_credential_secret: ")[1]).split()[0]
    told = [lab.pyinfra("--dry", "-vvv").output, (lab.scratch / "told").read_text()]  # of the run that made all, too
    for text in (*told, *(record.read_text() for record in lab.scratch.glob("record-*"))):
        assert secret not in text
        assert key.splitlines()[1] not in text
    assert (lab.folder / "administrator").stat().st_mode & 0o777 == 0o600


def test_the_inventory_is_what_the_cloud_has(lab: CloudLab) -> None:
    run = lab.pyinfra(deploy="debug-inventory")
    assert run.status == 0, run.output
    (address,) = listed(lab.project)["floating"]
    config = (lab.folder / "ssh_config").read_text()
    assert f"Host web {address}\n" in config
    assert config.count(f"ProxyJump debian@{address}") == 4
    key = public_half(lab.vault.get("host-key/web").reveal())
    assert f"web,{address} {key}\n" in (lab.folder / "known_hosts").read_text()
    assert len((lab.folder / "known_hosts").read_text().splitlines()) == 5


def test_an_edited_flow_changes_one_rule(lab: CloudLab) -> None:
    lab.declare("flows[2] = Flow(source='web', to='xmldb', port=8985, why='moved')\n")
    run = lab.apply()
    assert run.status == 0, run.output
    assert [step.partition(" from ")[0] for step in steps(run, "run")] == ["close group xmldb:", "open group xmldb:"]
    assert ("IPv4", "tcp", 8985, "a group") in group_rules(lab.project, "production-xmldb")
    lab.declare()
    assert lab.apply().status == 0


def test_damage_by_hand_is_named_by_the_plan_and_healed_by_the_run(lab: CloudLab) -> None:
    cloud = lab.project.member
    group = next(one for one in cloud.network.security_groups() if one.name == "production-web")
    rule = next(one for one in group.security_group_rules if one["port_range_min"] == 443 and one["ethertype"] == "IPv4")
    cloud.network.delete_security_group_rule(rule["id"])
    cloud.network.create_security_group_rule(
        security_group_id=group.id, direction="ingress", ethertype="IPv4", protocol="tcp", port_range_min=22, port_range_max=22
    )
    servers = {one.name: one for one in cloud.compute.servers()}
    cloud.compute.stop_server(servers["production-apps"])
    volume = next(one for one in cloud.block_storage.volumes() if one.name == "production-texts")
    cloud.compute.delete_volume_attachment(servers["production-xmldb"], volume.id)
    port = next(one for one in cloud.network.ports() if one.name == "production-xmldb")
    cloud.compute.delete_server_interface(port.id, server=servers["production-xmldb"])
    for _ in settled():
        stopped = cloud.compute.get_server(servers["production-apps"].id).status == "SHUTOFF"
        apart = cloud.block_storage.get_volume(volume.id).status == "available" and not cloud.network.get_port(port.id).device_id
        if stopped and apart:
            break
    expected = [
        "close group web: from everywhere IPv4 22/tcp",
        "open group web: from everywhere IPv4 443/tcp",
        "plug server xmldb",
        "start server apps",
        "attach volume texts",
    ]
    assert steps(lab.dry(), "plan") == expected
    healed = lab.apply()
    assert healed.status == 0, healed.output
    assert steps(healed, "run") == expected
    assert cloud.block_storage.get_volume(volume.id).status == "in-use"
    assert cloud.network.get_port(port.id).device_id == servers["production-xmldb"].id
    assert lab.dry().changes == []


def test_what_is_not_declared_any_more_stays_until_it_is_purged_by_name(lab: CloudLab) -> None:
    over = "machines[4] = machines[4].model_copy(update={'until': date(2020, 1, 31)})\n"
    lab.declare(over + "del machines[3], volumes[1], flows[3]\n")
    run = lab.apply()
    assert run.status == 0, run.output
    assert "server images is left over" in said(run)
    assert "server vips ended on 2020-01-31: bin/cloud purge server:vips" in said(run)
    assert "production-images" in listed(lab.project)["servers"]
    refused = lab.command("bin/cloud", "purge", "--yes", "volume:pictures")
    assert refused.returncode == 1
    assert "is attached to production-images" in refused.stderr
    assert "production-pictures" in listed(lab.project)["volumes"]
    named = ("server:images", "volume:pictures", "volume:images-root", "server:vips")
    gone = lab.command("bin/cloud", "purge", "--yes", *named)
    assert gone.returncode == 0, gone.stdout + gone.stderr
    there = [name for kind in ("servers", "volumes", "ports") for name in listed(lab.project)[kind]]
    assert not [name for name in there if "images" in name or "pictures" in name or "vips" in name]
    last = lab.apply()
    assert last.status == 0, last.output
    assert "production-vips" not in listed(lab.project)["servers"]  # its day has passed
    assert not {"production-images", "production-compute"} & {*listed(lab.project)["groups"]}
    assert lab.dry().changes == []


def test_production_is_not_torn_down_unless_its_name_is_typed(lab: CloudLab) -> None:
    for words in (("--yes",), ()):
        refused = lab.command("bin/cloud", "teardown", *words)
        assert refused.returncode == 1
        assert "Nothing was deleted" in refused.stderr


def test_at_the_end_nothing_is_left(lab: CloudLab) -> None:
    lab.declare()
    run = lab.apply("--data", "cloud_purge=everything:production")
    assert run.status == 0, run.output
    there = listed(lab.project)
    assert there == {kind: ["default"] if kind == "groups" else [] for kind in there}
