"""The proof of a key: it calls the gate from the address declared, and opens nothing else. Tried on the submitter's machine.

A note says which key was proved where; another line, another host or another list of tries is another proof.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from hashlib import sha256
from ipaddress import ip_address

from recettes.change import Change
from recettes.ocr import names
from recettes.ocr.submitter import Reached
from recettes.shell import quote, words

SUBSYSTEM = "ocr"
NOTES = "/var/lib/recettes/ocr-proved"
_SSHS_OWN = 255  # no connection, no login, or something that sshd refused
# The gate's own: to words that are none of its, and to too many calls a minute. Of a subsystem sshd does not send the sentence.
_USAGE, _NOT_NOW = 64, 75
_SECONDS = 60
_HELLO = "hello"
# Of timeout, and of its kill.
_NO_ANSWER = (124, 137)
# What ssh ends with where sshd let nobody in, and where another machine answers. With all other words nobody was asked.
_DENIED = ("Permission denied", "Too many authentication failures")
_STRANGER = ("Host key verification failed", "host key is known for")
_NOT_TRIED = "Whether it lets the key in is not known"
# Only root may ask there. The path is Amazon's, which OpenStack serves as well:
# https://docs.openstack.org/nova/latest/user/metadata.html
_OUTSIDE, _METADATA = "the address outside", "http://169.254.169.254/latest/meta-data/public-ipv4"
_METADATA_SECONDS = 3
# Only a shell of the account would say this: what it is asked to print is written otherwise.
_MARK, _PRINT = "recettes-proof", "printf recettes-%s proof"

# What a thief would try: options of ssh, and a command. Each has to be refused, by sshd or in the gate's own words.
TRIES: Mapping[str, tuple[str, str]] = {
    "a shell": ("-T", ""),
    "a command": ("-T", f"{_PRINT}; id"),
    "a command after one of its own": ("-T", f"hello; {_PRINT}"),
    "a shell by its name": ("-T", f"/bin/sh -c '{_PRINT}'"),
    "the sftp server": ("-T", "/usr/lib/openssh/sftp-server"),
    "the subsystem sftp": ("-T -s", "sftp"),
    "scp": ("-T", "scp -f .ssh/authorized_keys"),
    "rsync": ("-T", "rsync --server --sender . ."),
    # What sshd says to this one is no error to ssh.
    "a forwarding to the cluster's inside": ("-T -o LogLevel=INFO -W 127.0.0.1:22", ""),
    "a forwarding to here": ("-T -R 0:127.0.0.1:22", _HELLO),
    "a terminal": ("-tt", "id"),
}
# How sshd refuses what is its own affair. Without these words nothing is proved: an ssh that found nobody ends in the same way.
_BY_SSHD = {
    "a terminal": "PTY allocation request failed",
    "the subsystem sftp": "subsystem request failed",
    "a forwarding to the cluster's inside": "administratively prohibited",
    "a forwarding to here": "remote port forwarding failed",
}


@dataclass(frozen=True)
class Proof:
    """What is to be proved of the key that has `line` on the cluster: it works from `address` (OpenSSH's pattern), for the gate.

    `hand_in` says what a person has to do who has not done it yet; empty where the deploy lets the key in itself.
    """

    cluster: Reached
    line: str
    address: str
    hand_in: str

    @property
    def digest(self) -> str:
        cluster = self.cluster  # not the words of hand_in: they name a folder of this computer
        told = (
            self.line,
            self.address,
            str(bool(self.hand_in)),
            cluster.host,
            str(cluster.port),
            cluster.user,
            *cluster.host_keys,
            repr(TRIES),
        )
        return sha256("\n".join(told).encode()).hexdigest()

    @property
    def note(self) -> str:
        return f"{NOTES}/{self.cluster.name}"


def plan_proofs(notes: Mapping[str, str], wanted: Sequence[Proof]) -> list[Change]:
    """`notes` are the digests of what was proved, by cluster."""
    changes = [
        Change(SUBSYSTEM, f"key at {proof.cluster.name}", "prove", f"calls the gate of {proof.cluster.host}, and nothing else")
        for proof in wanted
        if notes.get(proof.cluster.name) != proof.digest
    ]
    surplus = sorted(set(notes) - {proof.cluster.name for proof in wanted})
    return changes + [Change(SUBSYSTEM, f"key at {name}", "forget", "that it was proved") for name in surplus]


def due(changes: Sequence[Change], wanted: Sequence[Proof]) -> list[Proof]:
    items = {change.item for change in changes if change.action == "prove"}
    return [proof for proof in wanted if f"key at {proof.cluster.name}" in items]


def forget_script(changes: Sequence[Change]) -> str:
    gone = [f"{NOTES}/{change.item.removeprefix('key at ')}" for change in changes if change.action == "forget"]
    return f"rm -f -- {words(gone)}" if gone else ":"


def note_script(proof: Proof) -> str:
    note = quote(proof.note)
    return f"mkdir -p {NOTES}\necho {proof.digest} >{note}.new\nmv -fT -- {note}.new {note}"


def tries_script(proof: Proof) -> str:
    """Prints `NAME<tab>STATUS<tab>the end of the answer` for each try; to be run as root.

    Where the key is not let in, the one line more is what the cloud says of the machine's address.
    """
    ssh = ["-F", "none", "-4", "-i", names.KEY, "-p", str(proof.cluster.port)]
    for option in (
        "IdentitiesOnly=yes",
        f"UserKnownHostsFile={names.KNOWN_HOSTS}",
        "GlobalKnownHostsFile=/dev/null",
        "StrictHostKeyChecking=yes",
        f"PreferredAuthentications=publickey{',keyboard-interactive' if proof.cluster.interactive else ''}",
        "ConnectTimeout=30",
        "LogLevel=ERROR",
        "ExitOnForwardFailure=yes",
    ):
        ssh += ["-o", option]
    target = quote(f"{proof.cluster.user}@{proof.cluster.host}")
    lines = [
        f"try_it {quote(name)} {quote(options)} {target} {quote(command) if command else ''}"
        for name, (options, command) in {_HELLO: ("-T", _HELLO), **TRIES}.items()
    ]
    return f"""cd /
try_it() {{
  name=$1 how=$2; shift 2
  code=0
  # A session of its own: without a terminal ssh asks nobody for the second stage's empty answer.
  said=$(timeout -k 5 {_SECONDS} setsid -w runuser -u {names.ACCOUNT} -- ssh $how {words(ssh)} "$@" </dev/null 2>&1) || code=$?
  printf '%s\\t%s\\t%s\\n' "$name" "$code" "$(printf '%s' "$said" | tr '\\t\\r\\n' '   ' | tail -c 60000)"
  # Who is not let in once is not let in, and a cluster that counts failures shuts out who tries on.
  case "$name $code" in
  "{_HELLO} {_SSHS_OWN}")
    said=$(curl -4 -fs --noproxy '*' -m {_METADATA_SECONDS} {_METADATA} 2>/dev/null | tr -cd '0-9.' | cut -c1-15)
    printf '%s\\t0\\t%s\\n' {quote(_OUTSIDE)} "$said"
    exit 0 ;;
  {" | ".join(f'"{_HELLO} {code}"' for code in _NO_ANSWER)}) exit 0 ;;
  esac
}}
""" + "\n".join(lines)


def unproved(lines: Sequence[str], proof: Proof) -> list[str]:
    """Sentences about what the tries found; none when the key does what it is for and nothing else. Raises ValueError."""
    found = dict(_answer(line) for line in lines if line)
    code, said = found.pop(_HELLO)
    host = proof.cluster.host
    if code in _NO_ANSWER:
        return [f"{host} did not let the key in or did not answer within {_SECONDS} s. {_NOT_TRIED}"]
    if code == _SSHS_OWN and not any(words in said for words in _DENIED):
        what = (
            "shows another host key than the one declared"
            if any(words in said for words in _STRANGER)
            else "could not be reached"
        )
        return [f"{host} {what}: {said.strip()[-200:] or 'no word'}. {_NOT_TRIED}"]
    if code == _SSHS_OWN:
        return [
            f"{host} does not let the key in: {said.strip()[-200:] or 'no word'}. {proof.hand_in}"
            f"It is let in from {proof.address} only: that has to be the address of this machine as {host} sees it. "
            f"{_comparison(found.get(_OUTSIDE, (0, ''))[1], proof)}"
        ]
    if found.keys() != TRIES.keys():
        raise ValueError("not every try was made")
    try:
        seen = str(json.loads(said)["address"]) if code == 0 else ""
    except (ValueError, KeyError, TypeError):
        code = 1
    if code:
        return [f"{host} lets the key in, but the gate does not answer: {said[:200].strip() or f'status {code}'}"]
    sentences = [
        f"{host} has to refuse the key {name}, and this came of it: {said[-100:].strip() or f'status {code}'}"
        for name, (code, said) in found.items()
        if not _refused(name, code, said)
    ]
    if not fnmatchcase(seen, proof.address):
        sentences.append(
            f'{host} sees this machine at {seen}, and the key line says from="{proof.address}": another line is in force there. '
            "Declare submitter_address= as the cluster sees it, and hand the line in anew"
        )
    return sentences


def _answer(line: str) -> tuple[str, tuple[int, str]]:
    name, status, said = line.split("\t")
    return name, (int(status), said)


def _comparison(outside: str, proof: Proof) -> str:
    """What to hold against the address declared; `outside` is what the cloud says, empty where it says nothing."""
    where = "the cloud's dashboard shows it: the machine's floating address or, where it has none, that of its router"
    try:
        address = str(ip_address(outside))
    except ValueError:
        return f"Compare: {where}"
    if fnmatchcase(address, proof.address):
        return f"The cloud says that this machine has {address} outside, which fits"
    return (
        f"The cloud says that this machine has {address} outside, which does not fit ({where}). "
        f"If that is what {proof.cluster.host} sees, declare it as submitter_address= and hand the line in anew"
    )


def _refused(name: str, code: int, said: str) -> bool:
    if _MARK in said or "uid=" in said or "SSH-2.0" in said:
        return False
    by_sshd = name in _BY_SSHD and _BY_SSHD[name] in said
    if by_sshd and code == _SSHS_OWN:
        return True
    # The gate answers its own word so, too, once a forwarding or a terminal is had.
    if name.startswith("a forwarding") or (name == "a terminal" and not by_sshd):
        return False
    # Of what the gate says to a subsystem, sshd sends the status alone.
    return code == _USAGE or (code == _NOT_NOW and ("ocr-gate: " in said or name == "the subsystem sftp"))
