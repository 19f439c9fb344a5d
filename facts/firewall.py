"""The firewall as the kernel has it, beside the wanted one as the kernel would have it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date

from facts.survey import Part
from recettes.firewall import FLUSHING_UNIT, LIST, SAVED, TABLE, FirewallState, render
from recettes.flows import Rules
from recettes.shell import quote, words
from recettes.ssh import CONNECTION_SCRIPT, connection_ends


def firewall_state(rules: Rules) -> Part[FirewallState]:
    """Our table, the saved rules, and this connection's ends.

    The wanted rules are loaded in an empty network namespace and listed back: so both are in the kernel's own words, and it says
    beforehand whether it takes them. Accounts that the run only makes are there already in that. Every line is marked by its
    first letter.
    """
    script = f"""\
ends=$( {CONNECTION_SCRIPT} )
echo "C $ends"
echo "U $(systemctl is-enabled {FLUSHING_UNIT} 2>/dev/null || :)"
if [ -e {SAVED} ]; then
  stat -c 'M %U:%G %a' {SAVED}
  sed 's/^/S /' {SAVED}
fi
if command -v nft >/dev/null; then
  tables=$(nft list tables)
  if printf '%s\\n' "$tables" | grep -qx {quote(f"table {TABLE}")}; then
    live=$({LIST})
    printf '%s\\n' "$live" | sed 's/^/L /'
  fi
  mark=R
  normal=$(unshare -nm sh -ec {quote(_with_accounts(rules.muted) + f"nft -f - && {LIST}")} 2>&1 <<'END_OF_RULES'
{render(rules)}END_OF_RULES
) && mark=N
  printf '%s\\n' "$normal" | sed "s/^/$mark /"
fi
"""
    return Part("firewall", script, _parse)


def _with_accounts(names: Sequence[str]) -> str:
    """Lines after which all the accounts have a number, for the commands of this mount namespace."""
    if not names:
        return ""
    return f"""
accounts=$(mktemp)
{{
  cat /etc/passwd
  number=4000000000
  for name in {words(names)}; do
    getent passwd "$name" >/dev/null || echo "$name:x:$number:$number::/:/usr/sbin/nologin"
    number=$((number + 1))
  done
}} >"$accounts"
chmod 644 "$accounts"
mount --bind "$accounts" /etc/passwd
rm "$accounts"
"""


def _parse(lines: list[str]) -> FirewallState:
    marked: dict[str, list[str]] = {}
    for line in lines:
        if not re.match(r"[CULMNSR] ", line):
            raise ValueError(line)
        marked.setdefault(line[0], []).append(line[2:])
    ends, units, mode = marked["C"][0], marked["U"][0] or "not-found", marked.get("M", [""])[0]
    client, port = connection_ends(ends) if ends else (None, None)
    live, present = _without_present(marked.get("L"))
    saved, saved_present = _without_present(marked.get("S"))
    normal, _ = _without_present(marked.get("N"))
    return FirewallState(live, normal, saved, mode, present, saved_present, " ".join(marked.get("R", [])), client, port, units)


def _without_present(lines: list[str] | None) -> tuple[tuple[str, ...] | None, dict[str, date | None]]:
    """The listing without the elements of the sets present4 and present6, and these elements."""
    if lines is None:
        return None, {}
    rest: list[str] = []
    elements = ""
    in_set = in_elements = False
    for line in lines:
        word = line.strip()
        if word.startswith("set "):
            in_set = word.split()[1] in ("present4", "present6")
        in_elements = in_elements or (in_set and word.startswith("elements ="))
        if not in_elements:
            rest.append(line)
            continue
        elements += word.removeprefix("elements =").strip(" {}") + ","
        in_elements = not word.endswith("}")
    return tuple(rest), dict(_element(element) for element in elements.split(",") if element.strip())


def _element(written: str) -> tuple[str, date | None]:
    address, _, rest = written.strip().partition(" ")
    noted = re.fullmatch(r'comment "(\d{4}-\d\d-\d\d)"', rest.strip())
    return address, date.fromisoformat(noted[1]) if noted else None
