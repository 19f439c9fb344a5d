"""The firewall's rules and plan."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from ipaddress import ip_network

import pytest

from facts.firewall import firewall_state
from recettes.firewall import SAVED, SAVED_MODE, FirewallState, locked_out, plan_firewall, present_after, render
from recettes.flows import Opening, Rules
from recettes.ssh import connection_ends

TODAY = date(2026, 5, 4)
ADMINISTRATORS = Opening("administrators", (ip_network("192.0.2.0/24"), ip_network("2001:db8::/32")), "tcp", 22, 22, "SSH")
SITES = Opening("world", None, "tcp", 443, 443, "world -> web:443/tcp: sites")
RULES = Rules((ADMINISTRATORS, SITES))
TEXT = tuple(render(RULES).splitlines())
CONVERGED = FirewallState(TEXT, TEXT, TEXT, SAVED_MODE, {}, {}, "", "192.0.2.9", 22)


def plan(actual: FirewallState, rules: Rules = RULES) -> list[tuple[str, str]]:
    return [(change.action, change.item) for change in plan_firewall(actual, rules, TODAY)]


def test_rules_as_wanted_need_no_change() -> None:
    assert plan(CONVERGED) == []


def test_a_bare_machine_gets_the_same_plan_before_and_after_nft_is_installed() -> None:
    bare = FirewallState(client="192.0.2.9", port=22, flushing_unit="not-found")
    assert plan(bare) == [("create", "table inet recettes"), ("save", SAVED)]
    assert plan_firewall(bare, RULES, TODAY) == plan_firewall(replace(bare, normal=("table",)), RULES, TODAY)


def test_an_edited_table_a_lost_file_and_a_flushing_unit_are_named() -> None:
    damaged = replace(CONVERGED, live=(*TEXT, "accept"), saved=None, saved_mode="", flushing_unit="enabled")
    assert plan(damaged) == [("change", "table inet recettes"), ("save", SAVED), ("disable", "nftables.service")]
    assert "-accept" in plan_firewall(damaged, RULES, TODAY)[0].diff


def test_an_address_that_nothing_covers_is_let_in_once_and_stays_for_the_others() -> None:
    other = {"198.51.100.1": TODAY - timedelta(days=3)}
    here = replace(CONVERGED, client="198.51.100.2", present=other, saved_present=other)
    assert plan(here) == [("let in", "198.51.100.2"), ("save", SAVED)]
    both = present_after(here, RULES, TODAY)
    assert both == {**other, "198.51.100.2": TODAY}
    for client in both:
        assert plan(replace(here, client=client, present=both, saved_present=both)) == []


def test_an_address_that_somebody_let_in_by_hand_is_forgotten() -> None:
    assert plan(replace(CONVERGED, present={"198.51.100.7": None})) == [("forget", "198.51.100.7")]


def test_a_lost_table_comes_back_with_the_addresses_that_were_saved() -> None:
    saved = {"198.51.100.1": TODAY}
    assert present_after(replace(CONVERGED, live=None, saved_present=saved), RULES, TODAY) == saved


def test_a_note_is_renewed_when_half_spent_and_forgotten_when_spent() -> None:
    def after(days: int, client: str) -> list[tuple[str, str]]:
        present = {"198.51.100.1": TODAY - timedelta(days=days)}
        return plan(replace(CONVERGED, client=client, present=present, saved_present=present))

    assert after(15, "198.51.100.1") == []
    assert after(16, "198.51.100.1") == [("let in", "198.51.100.1"), ("save", SAVED)]
    assert after(30, "192.0.2.9") == []
    assert after(31, "192.0.2.9") == [("forget", "198.51.100.1"), ("save", SAVED)]


def test_present_addresses_are_rendered_in_the_set_of_their_family() -> None:
    text = render(RULES, {"198.51.100.1": TODAY, "2001:db9::1": TODAY})
    four, six = text.split("set present6", 1)
    assert 'elements = { 198.51.100.1 comment "2026-05-04" }' in four
    assert 'elements = { 2001:db9::1 comment "2026-05-04" }' in six


def test_an_administrator_on_another_port_would_be_locked_out() -> None:
    assert locked_out(RULES, "198.51.100.1", 22) is None
    assert locked_out(RULES, None, None) is None
    assert "to port 2222, and they open SSH at port 22 only" in (locked_out(RULES, "198.51.100.1", 2222) or "")
    open_to_him = Rules((replace(ADMINISTRATORS, first=2222, last=2222),))
    assert locked_out(open_to_him, "192.0.2.9", 2222) is None


def test_only_machines_of_containers_forward() -> None:
    assert "hook forward priority filter; policy drop;" in render(RULES)
    forwarding = render(replace(RULES, forward=True))
    assert "hook forward priority filter; policy accept;" in forwarding
    assert "ip daddr 169.254.169.254 drop" in forwarding


def test_only_muted_accounts_have_what_they_send_looked_at() -> None:
    assert "ct state new reject" not in render(RULES)
    muted = render(replace(RULES, muted=("basex",)))
    assert 'meta skuid "basex" ct state new reject with icmpx admin-prohibited' in muted


def test_an_account_that_the_run_only_makes_has_a_number_while_its_rules_are_looked_at() -> None:
    assert "/etc/passwd" not in firewall_state(RULES).script
    assert "mount --bind" in firewall_state(replace(RULES, muted=("basex",))).script


def test_a_long_comment_is_cut_between_letters() -> None:
    long = render(Rules((replace(SITES, comment="é" * 100),)))
    assert f'comment "{"é" * 60}"' in long


LISTING = """C 198.51.100.2 50000 10.0.0.2 22
U disabled
M root:root 600
S set present4 {
S \ttype ipv4_addr
S \telements = { 198.51.100.1 comment "2026-05-01" }
S }
L set present4 {
L \ttype ipv4_addr
L \telements = { 198.51.100.1 comment "2026-05-01",
L \t\t     198.51.100.7 }
L }
N set present4 {
N \ttype ipv4_addr
N }"""


def test_present_addresses_are_read_apart_from_the_rules() -> None:
    state = firewall_state(RULES).parse(LISTING.splitlines())
    assert state.live == state.normal == state.saved == ("set present4 {", "\ttype ipv4_addr", "}")
    assert state.present == {"198.51.100.1": date(2026, 5, 1), "198.51.100.7": None}
    assert state.saved_present == {"198.51.100.1": date(2026, 5, 1)}
    assert (state.client, state.port) == ("198.51.100.2", 22)


@pytest.mark.parametrize("cut", [["U disabled"], ["C "], ["C ", "U disabled", "nft: command not found"]])
def test_an_odd_answer_is_an_error_and_never_an_absent_table(cut: list[str]) -> None:
    with pytest.raises((ValueError, KeyError)):
        firewall_state(RULES).parse(cut)


def test_a_link_local_client_is_named_without_its_interface() -> None:
    assert connection_ends("fe80::1%eth0 50000 fe80::2%eth0 22") == ("fe80::1", 22)
