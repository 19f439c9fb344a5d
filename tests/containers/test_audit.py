"""The web machine under the eyes of tools that were made to find fault."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from recettes.containers.machine import Machine
from tests.containers.scanner import Scanner, scanner_of
from tests.harness import TestLab

pytestmark = pytest.mark.slow

# An estate's authority of its own publishes no list of what it revoked: a certificate is replaced, and its file gone.
OF_A_LOCAL_AUTHORITY = {"cert_revocation"}
ABOVE_LOW = {"MEDIUM", "HIGH", "CRITICAL", "FATAL"}
LEAST_INDEX = 80  # of lynis; a bare Debian 13 has 61 to 64


@pytest.fixture(scope="module")
def scanner(first_run: TestLab) -> Iterator[Scanner]:
    with scanner_of(first_run.web) as one:
        yield one


def test_only_80_and_443_are_open_and_ssh_to_the_administrator_alone(lab: TestLab, scanner: Scanner) -> None:
    assert scanner.open_ports() == {80, 443}
    assert scanner.open_ports(here=True) == {22, 80, 443}


def test_nothing_else_listens_beyond_the_machine_itself(lab: TestLab) -> None:
    listening = lab.web.run("ss -Hltun").out.splitlines()
    ends = [line.split()[4].rpartition(":") for line in listening]
    assert {int(port) for address, _, port in ends if not address.startswith(("127.", "[::1]"))} == {22, 80, 443}


def test_testssl_finds_nothing_above_low_and_gives_an_a(lab: TestLab, scanner: Scanner) -> None:
    told = scanner.run(
        f"cd && cp -r /given ca && testssl --quiet --warnings off --color 0 --add-ca ca/authority.pem --ip {lab.web.address} "
        "--jsonfile told.json https://lab.test/ >told.txt; cat told.json",
        given=_only(lab.estate.folder / "authority.pem", lab.scratch / "given"),
    )
    findings = {each["id"]: each for each in json.loads(told)}
    assert findings["cert_chain_of_trust"]["finding"].startswith("passed")
    assert findings["overall_grade"]["finding"] in ("A", "A+")
    above = {name: each["finding"] for name, each in findings.items() if each["severity"] in ABOVE_LOW}
    assert set(above) <= OF_A_LOCAL_AUTHORITY, above


def _only(file: Path, folder: Path) -> Path:
    """A folder with a copy of that file alone: the others of an estate are nobody's business."""
    folder.mkdir(exist_ok=True)
    (folder / file.name).write_bytes(file.read_bytes())
    return folder


def test_ssh_audit_has_no_fail_and_warns_of_the_one_exchange_that_python_needs(lab: TestLab) -> None:
    program = Path(sys.executable).with_name("ssh-audit")
    run = subprocess.run([program, "--json", lab.web.address], capture_output=True, text=True, timeout=120, check=False)
    told = json.loads(run.stdout)
    noted = [
        (level, entry["algorithm"])
        for kind in ("kex", "key", "enc", "mac")
        for entry in told[kind]
        for level in ("fail", "warn")
        if entry.get("notes", {}).get(level)
    ]
    assert noted == [("warn", "curve25519-sha256@libssh.org")]
    assert told["cves"] == []


def test_every_service_of_ours_is_shut_in(lab: TestLab) -> None:
    ours = lab.web.run("systemctl list-unit-files --no-legend --type=service 'recettes-*' | cut -d' ' -f1").out.split()
    assert "recettes-watch.service" in ours
    for unit in ("nginx.service", "php8.4-fpm.service", "fail2ban.service", *ours):
        said = lab.web.run(f"systemd-analyze security --no-pager {unit}").out
        exposure = re.search(r"Overall exposure level for \S+: ([0-9.]+)", said)
        assert exposure, said
        assert float(exposure[1]) <= 3.0, f"{unit}: {exposure[1]}"


def test_lynis_gives_80_at_least(lab: TestLab) -> None:
    web = lab.web
    web.run("apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends lynis")
    # lynis knows the packages' places only; what runs is ours, beside them.
    web.run(
        "mount --bind /etc/recettes/sshd_config /etc/ssh/sshd_config && mount --bind /etc/recettes/nginx /etc/nginx",
    )
    skipped = "".join(f"skip-test=KRNL-6000:{key}\n" for key in _of_the_kernel_below(web))
    web.run(f"cat >/root/tests.prf <<'END'\n{skipped}END")
    web.run("cd / && TERM=dumb lynis audit system --quick --no-colors --cronjob --profile /root/tests.prf")
    index = re.search(r"^hardening_index=(\d+)$", web.run("cat /var/log/lynis-report.dat").out, re.MULTILINE)
    assert index
    lost = web.run("grep -B1 'assigned partial' /var/log/lynis.log | cut -c21-").out
    assert int(index[1]) >= LEAST_INDEX, f"{index[1]}; lost were:\n{lost}"


def _of_the_kernel_below(machine: Machine) -> list[str]:
    """Keys that lynis asks for and a container cannot set, since it shares this computer's kernel. We do set them elsewhere."""
    asked = machine.run("sed -n 's/^config-data=sysctl;\\([^;]*\\);\\([^;]*\\);.*/\\1 \\2/p' /etc/lynis/default.prf").out
    settings = re.findall(r"^-?([a-z0-9_.*-]+) *= *(\S+)$", machine.run("cat /etc/sysctl.d/60-recettes.conf").out, re.MULTILINE)
    wanted = dict(settings)
    keys = []
    for line in asked.splitlines():
        key, values = line.split()
        if wanted.get(key) in values.split("|") and machine.run(f"sysctl -n {key}", check=False).out.strip() != wanted[key]:
            assert not key.startswith("net.ipv"), f"{key} can be set in a container, and is not"
            keys.append(key)
    # Not ours to set (Docker needs it); the engine of the tests has set it.
    return [*keys, "net.ipv4.conf.all.forwarding"]
