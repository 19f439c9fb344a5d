"""Mail out, through the declared relay only; nothing listens, and nobody but root sends."""

from __future__ import annotations

from recettes.blueprint import Blueprint
from recettes.declarations.relay import MailRelay
from recettes.files import File, text
from recettes.templates import render

MSMTP = "/etc/msmtprc"
PASSWORD = "/etc/recettes/mail-password"  # noqa: S105  a path


def mail(relay: MailRelay, machine: str, password: bytes | None) -> Blueprint:
    """`password` is the relay's, None where it asks for none.

    Without a sendmail (package msmtp-mta): no program finds one, so the daily mail stays the only one.
    """
    secret = {PASSWORD: File(password + b"\n", mode=0o600, secret=True)} if password is not None else {}
    config = render("base/msmtprc", relay=relay, machine=machine, password_file=PASSWORD)
    return Blueprint(packages=frozenset({"msmtp", "ca-certificates"}), files={MSMTP: text(config, mode=0o600), **secret})
