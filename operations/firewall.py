"""The firewall is as the lab's flows want it."""

from __future__ import annotations

from collections.abc import Generator
from datetime import date

from pyinfra.api.command import PyinfraCommand
from pyinfra.api.operation import operation

from facts.firewall import firewall_state
from facts.survey import Part, Unread
from operations.engine import bring, read, refuse
from operations.trial import OnTrial
from recettes.firewall import FirewallState, firewall_trial, locked_out, plan_firewall, present_after
from recettes.flows import Rules


def firewall_part(rules: Rules) -> Part[FirewallState]:
    """What `firewall` reads; for the survey."""
    return firewall_state(rules)


@operation()
def firewall(rules: Rules, today: date) -> Generator[PyinfraCommand, None, None]:
    """Only what the rules let in comes in, now and after a reboot; rules that let nobody in again are taken back."""
    part = firewall_state(rules)
    actual = read(part)
    if why := refused(actual, rules):
        yield refuse(why)
        return
    yield from bring(
        part,
        lambda actual: plan_firewall(actual, rules, today),
        lambda actual, _: [OnTrial(firewall_trial(rules, present_after(actual, rules, today)))],
        unchanged="firewall as wanted",
    )


def refused(actual: FirewallState | Unread, rules: Rules) -> str | None:
    """Why these rules are not even tried."""
    if isinstance(actual, Unread):
        return None  # `bring` refuses
    if actual.refused:
        return f"the kernel does not take the firewall rules: {actual.refused}. The firewall was not changed."
    return locked_out(rules, actual.client, actual.port)
