"""The daily watch: it sees what needs a person, and nothing else."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest

from tests.programs import program

NOW = datetime.now(UTC).replace(microsecond=0)  # as certificates tell times


@pytest.fixture(scope="module")
def watch() -> ModuleType:
    return program("watch")


@pytest.fixture
def certificate(tmp_path: Path) -> Callable[[str, int], Path]:
    """Makes a certificate of a site that is valid for so many days."""

    def make(site: str, days: int) -> Path:
        folder = tmp_path / site
        folder.mkdir()
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-subj", f"/CN={site}", "-days", str(days), "-keyout", folder / "key.pem", "-out", folder / "fullchain.pem"],
            check=True, capture_output=True,
        )  # fmt: skip
        return folder

    return make


def test_a_failed_unit_is_named_with_the_way_to_its_words(watch: ModuleType) -> None:
    listing = json.dumps(
        [{"unit": "nginx.service", "load": "loaded", "active": "failed", "sub": "failed", "description": "A web server"}]
    )
    assert watch.failed_units(listing) == ["nginx.service has failed (A web server): journalctl -u nginx.service"]
    assert watch.failed_units("[]") == []


def test_an_enabled_timer_that_does_not_run_is_named_unless_its_own_condition_keeps_it_off(watch: ModuleType) -> None:
    shown = (
        "Id=runs.timer\nActiveState=active\nConditionResult=yes\nConditionTimestampMonotonic=9\n\n"
        "Id=kept-off.timer\nActiveState=inactive\nConditionResult=no\nConditionTimestampMonotonic=9\n\n"
        "Id=stopped.timer\nActiveState=inactive\nConditionResult=yes\nConditionTimestampMonotonic=9\n\n"
        "Id=never-tried.timer\nActiveState=inactive\nConditionResult=no\nConditionTimestampMonotonic=0\n"
    )
    assert [line.split()[0] for line in watch.idle_timers(shown)] == ["stopped.timer", "never-tried.timer"]
    assert watch.idle_timers("") == []


def test_a_certificate_under_21_days_is_told_and_one_above_is_not(
    watch: ModuleType, tmp_path: Path, certificate: Callable[[str, int], Path]
) -> None:
    certificate("soon.example.org", 20)
    certificate("later.example.org", 23)
    (told,) = watch.certificates(tmp_path, NOW)
    assert told.startswith("the certificate of soon.example.org ends in 20 days, on ")


def test_a_certificate_that_ended_is_told_as_such(
    watch: ModuleType, tmp_path: Path, certificate: Callable[[str, int], Path]
) -> None:
    certificate("www.example.org", 30)
    (told,) = watch.certificates(tmp_path, NOW + timedelta(days=31))
    assert told.startswith("the certificate of www.example.org ended on")


def test_a_stand_in_is_told_once_and_not_as_a_short_certificate(
    watch: ModuleType, tmp_path: Path, certificate: Callable[[str, int], Path]
) -> None:
    (certificate("new.example.org", 7) / "stand-in").touch()
    (told,) = watch.certificates(tmp_path, NOW)
    assert "new.example.org has only a stand-in certificate" in told


def test_a_file_that_is_no_certificate_is_told(watch: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "fullchain.pem").write_text("not a certificate")
    assert watch.certificates(tmp_path, NOW) == [f"{tmp_path}/odd/fullchain.pem is no certificate that can be read"]


def test_a_machine_without_certificates_has_none_to_tell_of(watch: ModuleType, tmp_path: Path) -> None:
    assert watch.certificates(tmp_path / "absent", NOW) == []


def test_a_disk_is_told_once_when_it_is_fuller_than_the_limit(watch: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "a b").mkdir()
    mounts = f"/dev/x {tmp_path} ext4 rw 0 0\n/dev/x {tmp_path}/a\\040b ext4 rw 0 0\nproc /proc proc rw 0 0\n"
    told = watch.disks(mounts, percent=0.0)
    assert told
    assert all(line.startswith(f"{tmp_path} ") for line in told)
    assert watch.disks(mounts, percent=100.0) == []


def test_the_kernels_own_file_systems_are_no_disks(watch: ModuleType) -> None:
    assert watch.disks("proc /proc proc rw 0 0\nsysfs /sys sysfs rw 0 0\ntmpfs /dev/shm tmpfs rw 0 0\n", percent=-1.0) == []


def test_a_required_reboot_names_the_packages(watch: ModuleType, tmp_path: Path) -> None:
    flag = tmp_path / "reboot-required"
    assert watch.reboot(flag) == []
    flag.touch()
    assert watch.reboot(flag) == ["a reboot is required"]
    (tmp_path / "reboot-required.pkgs").write_text("linux-image-amd64\nlibc6\nlibc6\n")
    assert watch.reboot(flag) == ["a reboot is required by libc6, linux-image-amd64"]


def test_what_is_kept_of_damaged_databases_is_told_until_a_person_removes_it(watch: ModuleType, tmp_path: Path) -> None:
    assert watch.damaged(tmp_path / "absent") == watch.damaged(tmp_path) == []
    (tmp_path / "letters-20261123T023000Z").mkdir()
    (told,) = watch.damaged(tmp_path)
    assert told.startswith(f"{tmp_path}/letters-20261123T023000Z has the files of an XML database that was damaged")


def test_a_check_that_breaks_is_told_and_hides_no_other(
    watch: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no systemctl, no openssl
    monkeypatch.setattr(watch, "REBOOT", tmp_path / "flag")
    (tmp_path / "flag").touch()
    told = watch.look()
    assert any(line.startswith("failed units could not be looked at: FileNotFoundError") for line in told)
    assert "a reboot is required" in told


def test_the_letter_has_everything_and_says_how_many(watch: ModuleType) -> None:
    letter = watch.letter(["disk é full", "unit failed"], "web (lab)", "machines@example.org", ["a@example.org", "b@example.org"])
    assert letter["Subject"] == "web (lab): 2 things need a person"
    assert letter["To"] == "a@example.org, b@example.org"
    assert letter["Auto-Submitted"] == "auto-generated"
    assert "- disk é full\n- unit failed\n" in letter.get_content()
