"""Certificates: what is planned in each state, and which given ones are refused."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta

import pytest

from facts.certificates import certificate_states, signing_requests
from recettes.acme import LETS_ENCRYPT, WISHES, Acme, acme_blueprint, plan_acme, removal_script, request_script, requested
from recettes.authority import make_authority, read_certificate, self_signed, sign
from recettes.certificates import (
    Certificate,
    CertificateTable,
    Given,
    Lineage,
    Pair,
    begin_script,
    issued,
    plan_certificates,
    written_pairs,
)
from recettes.secret_values import Secret

NOW = datetime.now(UTC)
HOSTS = ("www.lab.test", "lab.test")
AUTHORITY = make_authority("test", 20)
KEY_ID = read_certificate(AUTHORITY.certificate).key_id
ACME = Acme("office@lab.test")
LOCAL = Certificate("www", HOSTS)
ASKED = Certificate("www", HOSTS, "acme")


def signed(names: tuple[str, ...] = HOSTS, days: int = 397) -> str:
    command = "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /dev/null -subj /CN=x"
    request = subprocess.run(command.split(), capture_output=True, text=True, check=True).stdout
    return sign(request, AUTHORITY, names, days)


SIGNED = signed()
STAND_IN = self_signed(HOSTS, 7).certificate


def pair(chain: str, digest: str = "d1", whole: bool = True) -> Pair:
    return Pair(chain, digest, whole)


def table(served: Pair | None = None, lineage: Pair | None = None, server: str = LETS_ENCRYPT) -> CertificateTable:
    return CertificateTable({"www": served} if served else {}, {"www": Lineage(lineage, server)} if lineage else {})


def local(served: Pair | None, want: Certificate = LOCAL, authority: str | None = KEY_ID, now: datetime = NOW) -> list[str]:
    return [change.action for change in plan_certificates(table(served), [want], authority, now)]


def before(actual: CertificateTable, now: datetime = NOW, want: Certificate = ASKED) -> list[str]:
    """What is planned before nginx is told, for a site of ACME."""
    return [change.action for change in plan_certificates(actual, [want], None, now)]


def after(actual: CertificateTable, *wanted: Certificate, acme: Acme = ACME, now: datetime = NOW) -> list[tuple[str, str, str]]:
    """What is planned once nginx serves."""
    return [(change.subsystem, change.action, change.item) for change in plan_acme(actual, wanted, acme, now)]


REQUEST = [("acme", "request", "www")]


# The local authority


def test_a_site_without_certificate_gets_one_of_the_local_authority() -> None:
    [change] = plan_certificates(table(), [LOCAL], KEY_ID, NOW)
    assert str(change) == "certificates: issue www (local authority, www.lab.test, lab.test)"


def test_a_good_certificate_stays() -> None:
    assert local(pair(SIGNED)) == []


@pytest.mark.parametrize(("days_later", "planned"), [(277, []), (279, ["renew"]), (500, ["renew"])])
def test_a_local_certificate_is_renewed_when_less_than_three_tenths_of_its_life_are_left(
    days_later: int, planned: list[str]
) -> None:
    assert local(pair(SIGNED), now=NOW + timedelta(days=days_later)) == planned


@pytest.mark.parametrize(("days", "planned"), [(22, []), (20, ["renew"])])
def test_a_local_certificate_of_a_short_life_is_renewed_three_weeks_before_its_end(days: int, planned: list[str]) -> None:
    assert local(pair(signed(days=days))) == planned


def test_another_order_of_the_same_names_changes_nothing() -> None:
    assert local(pair(SIGNED), Certificate("www", HOSTS[::-1])) == []


@pytest.mark.parametrize("names", [HOSTS[:1], (*HOSTS, "new.lab.test"), ("other.lab.test",)])
def test_other_names_renew(names: tuple[str, ...]) -> None:
    assert local(pair(SIGNED), Certificate("www", names)) == ["renew"]


@pytest.mark.parametrize(
    "served", [pair(SIGNED, whole=False), pair(""), pair("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")]
)
def test_what_is_damaged_is_renewed_and_the_plan_says_so(served: Pair) -> None:
    [change] = plan_certificates(table(served), [LOCAL], KEY_ID, NOW)
    assert (change.action, change.wanted.partition("; ")[2]) == ("renew", "the present one is damaged")


@pytest.mark.parametrize("authority", ["00" * 20, None])
def test_another_authority_or_one_that_is_still_to_be_made_renews(authority: str | None) -> None:
    assert local(pair(SIGNED), authority=authority) == ["renew"]


def test_a_stand_in_is_no_certificate_of_the_local_authority() -> None:
    assert local(pair(STAND_IN)) == ["renew"]


# ACME, before nginx is told


def test_a_new_site_of_acme_starts_on_a_stand_in() -> None:
    assert before(table()) == ["stand in"]


def test_a_stand_in_stays_while_it_lasts_and_is_then_made_again() -> None:
    assert before(table(pair(STAND_IN))) == []
    assert before(table(pair(STAND_IN)), NOW + timedelta(days=6)) == ["stand in"]


@pytest.mark.parametrize("days_later", [0, 500])
def test_what_was_trusted_once_is_never_replaced_by_a_stand_in_even_when_it_is_over(days_later: int) -> None:
    assert before(table(pair(SIGNED)), NOW + timedelta(days=days_later)) == []


def test_what_certbot_has_is_put_in_force() -> None:
    assert before(table(pair(STAND_IN, "d1"), pair(SIGNED, "d2"))) == ["install"]
    assert before(table(None, pair(SIGNED, "d2"))) == ["install"]
    assert before(table(pair(SIGNED, "d2", whole=False), pair(SIGNED, "d2"))) == ["install"]
    assert before(table(pair(SIGNED, "d2"), pair(SIGNED, "d2"))) == []


@pytest.mark.parametrize("lineage", [pair(SIGNED, "d2", whole=False), pair(signed(("other.lab.test",)), "d2"), pair("", "d2")])
def test_what_certbot_has_of_no_use_is_not_put_in_force(lineage: Pair) -> None:
    assert before(table(None, lineage)) == ["stand in"]


# ACME, once nginx serves


def test_a_bare_machine_asks_for_every_certificate_of_acme_and_for_no_other() -> None:
    others = [Certificate("a", ("a.test",)), Certificate("z", ("z.test",), "acme")]
    assert after(table(), *others, ASKED) == [("acme", "request", "www"), ("acme", "request", "z")]


def test_the_plan_tells_that_the_server_may_refuse() -> None:
    [change] = plan_acme(table(), [ASKED], ACME, NOW)
    assert change.wanted == f"www.lab.test, lab.test from {LETS_ENCRYPT}; while it refuses, the site keeps what it has"


def test_a_good_lineage_is_left_to_the_timer() -> None:
    assert after(table(pair(SIGNED), pair(SIGNED)), ASKED) == []
    assert after(table(pair(SIGNED), pair(SIGNED)), ASKED, now=NOW + timedelta(days=300)) == []


def test_a_lineage_that_the_timer_did_not_renew_is_renewed() -> None:
    assert after(table(pair(SIGNED), pair(SIGNED)), ASKED, now=NOW + timedelta(days=330)) == [("acme", "renew", "www")]


def test_other_names_another_server_and_damage_are_asked_for_anew() -> None:
    assert after(table(pair(SIGNED), pair(SIGNED)), Certificate("www", (*HOSTS, "new.lab.test"), "acme")) == REQUEST
    assert after(table(pair(SIGNED), pair(SIGNED)), ASKED, acme=Acme(ACME.email, "https://other.test/dir")) == REQUEST
    assert after(table(pair(SIGNED), pair(SIGNED, whole=False)), ASKED) == REQUEST


def test_what_no_site_wants_any_more_goes_with_its_renewal() -> None:
    gone = table(pair(SIGNED), pair(SIGNED))
    assert after(gone) == [("acme", "delete", "www"), ("certificates", "remove", "www")]
    assert after(gone, LOCAL) == [("acme", "delete", "www")]


def test_before_nginx_is_told_nothing_is_removed() -> None:
    assert plan_certificates(table(pair(SIGNED), pair(SIGNED)), [], KEY_ID, NOW) == []


def test_scripts_name_only_what_the_changes_name() -> None:
    changes = plan_acme(table(pair(SIGNED), pair(SIGNED)), [Certificate("fresh", ("fresh.test",), "acme")], ACME, NOW)
    assert requested(changes) == ["fresh"]
    assert "www" in removal_script(changes)
    assert "fresh" not in removal_script(changes)
    assert "fresh" in request_script(requested(changes))


def test_a_machine_asks_nobody_where_no_site_is_of_acme() -> None:
    assert not acme_blueprint([LOCAL], ACME).files
    wishes = acme_blueprint([LOCAL, Certificate("z", ("z.test",), "acme")], ACME).files[WISHES].content
    assert wishes is not None
    assert b"z.test" in wishes
    assert b"www" not in wishes


# What the machine is sent, and what it answers


def test_later_operations_know_which_certificates_will_be_new() -> None:
    given = Given(STAND_IN, Secret("tls-given", ""))
    wanted = {want.name: want for want in (LOCAL, Certificate("given", HOSTS, given), Certificate("asked", HOSTS, "acme"))}
    actual = CertificateTable({}, {"asked": Lineage(pair(SIGNED, "d2"), LETS_ENCRYPT)})
    written = written_pairs(actual, plan_certificates(actual, wanted.values(), KEY_ID, NOW), wanted)
    chains = {path.split("/")[-2]: digest for path, digest in written.items() if path.endswith("fullchain.pem")}
    assert chains == {"www": "new", "given": given.digest, "asked": "d2"}
    assert {path.rpartition("/")[2] for path in written} == {"fullchain.pem", "key.pem", "pair", "stand-in"}


def test_only_local_certificates_are_signed_on_the_controller() -> None:
    wanted = {"www": LOCAL, "asked": Certificate("asked", HOSTS, "acme")}
    changes = plan_certificates(table(), wanted.values(), KEY_ID, NOW)
    assert issued(changes) == ["www"]
    assert "request.pem" in begin_script(changes, wanted)


@pytest.mark.parametrize("lines", [["find: '/etc/recettes/tls': Permission denied"], ["awk: out of memory"]])
def test_an_odd_answer_of_the_machine_is_not_taken_for_nothing(lines: list[str]) -> None:
    with pytest.raises(ValueError, match=r"."):
        certificate_states().parse(lines)


def test_a_signing_request_that_is_cut_off_is_not_signed() -> None:
    with pytest.raises(ValueError, match="cut off"):
        signing_requests(["www"]).parse(["R www", "-----BEGIN CERTIFICATE REQUEST-----", "MIIB"])
