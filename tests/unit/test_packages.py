"""What is planned for packages."""

from __future__ import annotations

import pytest

from facts.packages import package_table
from recettes.packages import ENABLED_BEFORE, PackageTable, packages_script, plan_packages


def table(*lines: str) -> PackageTable:
    return package_table().parse(["A amd64", "P ii |base-files|amd64|base", *lines])


def planned(actual: PackageTable, *wanted: str) -> list[tuple[str, str]]:
    return [(change.action, change.item) for change in plan_packages(actual, wanted)]


def test_what_is_installed_is_left_alone_and_what_is_missing_is_installed() -> None:
    actual = table("P ii |nginx|amd64|httpd, httpd-cgi", "P rc |fail2ban|all|")
    assert planned(actual, "nginx", "fail2ban", "git") == [("install", "fail2ban"), ("install", "git")]


def test_a_virtual_package_is_there_when_something_provides_it() -> None:
    actual = table("P ii |msmtp-mta|all|mail-transport-agent, smtp (= 1)")
    assert planned(actual, "mail-transport-agent", "smtp", "mta") == [("install", "mta")]


def test_a_foreign_architecture_counts_only_where_it_is_named() -> None:
    actual = table("P ii |libc6|i386|")
    assert planned(actual, "libc6:i386", "libc6") == [("install", "libc6")]
    assert planned(table("P ii |tzdata|all|"), "tzdata:amd64") == []


def test_a_package_on_hold_is_installed() -> None:
    assert planned(table("P hi |nginx|amd64|"), "nginx") == []


@pytest.mark.parametrize(
    "line",
    ["P iU |nginx|amd64|", "P iF |nginx|amd64|", "P iHR|nginx|amd64|", "P iW |nginx|amd64|", "I 0001", f"I {ENABLED_BEFORE}"],
)
def test_what_an_interrupted_apt_left_is_finished_first(line: str) -> None:
    assert planned(table(line), "git") == [("finish", "dpkg"), ("install", "git")]


def test_a_half_installed_package_that_is_wanted_is_part_of_finishing() -> None:
    actual = table("P iU |nginx|amd64|")
    changes = plan_packages(actual, {"nginx"})
    assert [str(change) for change in changes] == ["packages: finish dpkg (nginx)"]
    assert "sh nginx" in packages_script(changes, actual, {"nginx"})


def test_a_wanted_package_that_came_as_a_dependency_is_kept_from_autoremove() -> None:
    actual = table("P ii |curl|amd64|", "M curl", "M other")
    changes = plan_packages(actual, {"curl"})
    assert [(change.action, change.item) for change in changes] == [("keep", "curl")]
    assert "apt-get -q" not in packages_script(changes, actual, {"curl"}).partition("\napt-mark")[2]


def test_an_answer_without_packages_is_not_taken_for_an_empty_machine() -> None:
    with pytest.raises(ValueError, match="dpkg"):
        package_table().parse(["A amd64"])
