"""The SSH server's configuration: saved, in force, and how its unit starts it."""

from __future__ import annotations

import base64

from facts.survey import Part
from recettes.sshd import DROP_IN, LIVE, SAVED, TRIAL_DROP_IN, UNIT, SshdState

_SCRIPT = f"""\
for file in {SAVED} {LIVE} {DROP_IN}; do
  if [ -e "$file" ]; then
    echo "F $file $(stat -c '%U:%G %a' "$file") $(base64 -w 0 "$file")"
  fi
done
if [ -e {TRIAL_DROP_IN} ]; then echo T; fi
systemctl show {UNIT} -p ActiveState -p UnitFileState -p MainPID
pid=$(systemctl show {UNIT} -p MainPID --value)
if [ "$pid" != 0 ] && tr '\\0' ' ' </proc/$pid/cmdline | grep -qF ' -f {LIVE}'; then echo O; fi
"""


def sshd_state() -> Part[SshdState]:
    """What is saved and what is in force, with contents."""
    return Part("sshd", _SCRIPT, _parse)


def _parse(lines: list[str]) -> SshdState:
    files: dict[str, tuple[str, bytes]] = {}
    unit: dict[str, str] = {}
    marks = set()
    for line in lines:
        if line.startswith("F "):
            _, path, owner, mode, content = line.split(" ")
            files[path] = (f"{owner} {mode}", base64.b64decode(content, validate=True))
        elif line in ("T", "O"):
            marks.add(line)
        else:
            key, equals, value = line.partition("=")
            if not equals:
                raise ValueError(line)
            unit[key] = value
    nothing = ("", None)
    saved_mode, saved = files.get(SAVED, nothing)
    return SshdState(
        saved,
        saved_mode,
        files.get(LIVE, nothing)[1],
        files.get(DROP_IN, nothing)[1],
        unit["ActiveState"],
        unit["UnitFileState"],
        "O" in marks,
        "T" in marks,
    )
