"""The proof of a key: it calls the gate, and opens nothing else. Tried from the submitter's machine, as the account that has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from recettes.ocr import names
from recettes.shell import quote, words

# What the gate answers to words that are none of its own: sysexits.h, EX_USAGE.
_USAGE = 64
_NO_LOGIN = 255
_SECONDS = 60
# Whatever comes back that holds one of these was not said by the gate.
_MARK = "recettes-proof"

# What a thief would try. Each has to end with the gate's own refusal, or with sshd's.
TRIES: Mapping[str, str] = {
    "a shell": "",
    "a command": f"echo {_MARK}; id",
    "a command after one of its own": f"hello; echo {_MARK}",
    "a shell as argument": f"/bin/sh -c 'echo {_MARK}'",
    "the sftp server": "/usr/lib/openssh/sftp-server",
    "the subsystem sftp": "-s",
    "scp": "scp -f .ssh/authorized_keys",
    "rsync": "rsync --server --sender . .",
    "a forwarding to the cluster's inside": "-W",
    "a forwarding to here": "-R",
    "a terminal": "-tt",
}
_HELLO = "hello"


@dataclass(frozen=True)
class Robot:
    """The host that lets the key in, as the submitter reaches it."""

    name: str
    host: str
    port: int
    user: str


def proof_script(robot: Robot) -> str:
    """Prints `NAME<tab>STATUS<tab>first line of the answer` for each try; to be run as root."""
    ssh = ["ssh", "-F", "none", "-4", "-i", names.KEY]
    for option in (
        "IdentitiesOnly=yes",
        f"UserKnownHostsFile={names.KNOWN_HOSTS}",
        "GlobalKnownHostsFile=/dev/null",
        "StrictHostKeyChecking=yes",
        "PreferredAuthentications=publickey,keyboard-interactive",
        "ConnectTimeout=30",
        "LogLevel=ERROR",
        "ExitOnForwardFailure=yes",
    ):
        ssh += ["-o", option]
    target = f"{robot.user}@{robot.host}"
    call = words([*ssh, "-p", robot.port])
    lines = [f"try_it {quote(_HELLO)} -T {quote(target)} hello"]
    for name, tried in TRIES.items():
        options, command = _line(tried)
        lines.append(f"try_it {quote(name)} {options} {quote(target)} {command}")
    return (
        f"""try_it() {{
  name=$1; shift
  code=0
  said=$(timeout -k 5 {_SECONDS} runuser -u {names.ACCOUNT} -- {call} "$@" </dev/null 2>&1) || code=$?
  printf '%s\\t%s\\t%s\\n' "$name" "$code" "$(printf '%s' "$said" | tr '\\t\\n' '  ' | cut -c1-300)"
}}
"""
        + "\n".join(lines)
    )


def _line(tried: str) -> tuple[str, str]:
    """Options of ssh, and the command."""
    match tried:
        case "-s":
            return "-T -s", "sftp"
        case "-W":
            return "-T -W 127.0.0.1:22", ""
        case "-R":
            return "-T -R 0:127.0.0.1:22", "hello"
        case "-tt":
            return "-tt", "id"
    return "-T", quote(tried) if tried else ""


def unproved(lines: Sequence[str], robot: Robot, address: str) -> list[str]:
    """Sentences about what the tries found; none when the key does what it is for and nothing else. Raises ValueError."""
    found = {}
    for line in lines:
        name, code, said = line.split("\t")
        found[name] = (int(code), said)
    code, said = found.pop(_HELLO)
    if found.keys() != TRIES.keys():
        raise ValueError("not every try was made")
    if code == _NO_LOGIN:
        return [
            f"{robot.host} does not let the key in: {said or 'no word'}. Either its line was not handed in yet (bin/ocr-request "
            f'{robot.name} writes it), or from="{address}" is not the address that the cluster sees'
        ]
    if code or '"gate"' not in said:
        return [f"the key is let in, but the gate does not answer: {said or f'status {code}'}"]
    return [
        f"with the key {name} is had, which must be refused: status {code}, {said[:100] or 'no word'}"
        for name, (code, said) in found.items()
        if not _refused(code, said)
    ]


def _refused(code: int, said: str) -> bool:
    """By the gate, in its own words, or by sshd."""
    if _MARK in said.replace(f"echo {_MARK}", "") or "uid=" in said:
        return False
    return code == _NO_LOGIN or (code == _USAGE and "ocr-gate:" in said) or (code != 0 and "ocr-gate:" in said)
