"""Every site has a certificate and its key, before nginx is told to read them."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from datetime import UTC, datetime

from pyinfra.api.command import PyinfraCommand
from pyinfra.api.operation import operation

from facts.certificates import certificate_states, signing_requests
from facts.survey import Unread
from operations.engine import Script, bring, read, refuse
from recettes.authority import CertificateError, ensure_authority, read_authority, read_certificate, sign
from recettes.certificates import (
    LOCAL_DAYS,
    Certificate,
    begin_script,
    finish_script,
    issued,
    plan_certificates,
    written_pairs,
)
from recettes.change import Change
from recettes.secrets import SecretsError, Vault


@operation()
def certificates(wanted: Sequence[Certificate], vault: Vault) -> Generator[PyinfraCommand]:
    """Local and given certificates are in force; a site that waits for its ACME server has a stand-in.

    The estate's authority is in the vault; its key is only used here, that of a site only on its machine. What is dropped is
    removed by `acme`, when nginx does not need it any more.
    """
    by_name = {want.name: want for want in wanted}
    try:
        authority = _authority(wanted, vault)
    except SecretsError as error:
        yield refuse(f"{error} Nothing was changed by this step, and nothing more is changed on this machine.")
        return
    yield from bring(
        certificate_states(),
        lambda actual: plan_certificates(actual, wanted, authority, datetime.now(UTC)),
        lambda _, changes: _apply(changes, by_name, vault),
        unchanged=f"{len(by_name)} certificates as wanted",
        writes=lambda actual, changes: written_pairs(actual, changes, by_name),
    )


def _authority(wanted: Sequence[Certificate], vault: Vault) -> str | None:
    """Its key identifier; the vault is only opened where a site wants something of it."""
    known = read_authority(vault) if any(want.issuer == "local" for want in wanted) and vault.file.exists() else None
    return read_certificate(known.certificate).key_id if known else None


def _apply(changes: Sequence[Change], wanted: dict[str, Certificate], vault: Vault) -> Generator[PyinfraCommand]:
    yield Script(f"{len(changes)} certificates", begin_script(changes, wanted))
    names = issued(changes)
    if not names:
        return
    requests = read(signing_requests(names))
    if isinstance(requests, Unread):
        yield refuse(f"{requests.reason}. The certificates in force stay; the local authority signed nothing.")
        return
    try:
        authority = ensure_authority(vault)
        chains = {name: sign(requests[name], authority, wanted[name].names, LOCAL_DAYS) for name in names}
    except (SecretsError, CertificateError) as error:
        yield refuse(f"the local authority could not sign: {error}. The certificates in force stay.")
        return
    yield Script(f"{len(chains)} signed chains", finish_script(chains))
