"""Debian packages: which are there, which are half there, and the shell text that installs what is missing."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from recettes.change import Change
from recettes.shell import quote, words

# Which units were enabled before an installation that is under way; what is left of it was left by one that died.
ENABLED_BEFORE = "/var/lib/recettes/enabled-before-install"
# Seconds that another apt (the daily upgrades, right after boot) may still hold its lock.
_LOCK_SECONDS = 300
# Minutes after which the package lists are fetched anew before something is installed.
_LISTS_MINUTES = 180


@dataclass(frozen=True)
class PackageTable:
    """`whole` are installed packages, as name and name:architecture, and the names that they provide. `broken` are half
    installed ones; `interrupted` says that dpkg was, or an installation of ours. `automatic` are those that autoremove may take
    away again."""

    whole: frozenset[str]
    broken: tuple[str, ...] = ()
    interrupted: bool = False
    automatic: frozenset[str] = frozenset()


def plan_packages(actual: PackageTable, wanted: Collection[str]) -> list[Change]:
    """What an interrupted installation left is finished, what is missing is installed. Nothing is ever removed."""
    changes = []
    if actual.broken or actual.interrupted:
        changes.append(Change("packages", "dpkg", "finish", ", ".join(actual.broken) or "an interrupted installation"))
    changes += [
        Change("packages", name, "install") for name in sorted(wanted) if name not in actual.whole and name not in actual.broken
    ]
    kept = sorted(name for name in wanted if name in actual.automatic and name in actual.whole)
    return changes + [Change("packages", name, "keep", "autoremove leaves it") for name in kept]


def packages_script(changes: Sequence[Change], actual: PackageTable, wanted: Collection[str]) -> str:
    """One apt transaction that starts and enables no unit: what runs is for the units to say.

    The preset by which packages enable nothing is only seen by apt's own processes: nothing can be left behind. A package
    that enables its unit without asking the preset is found by comparing, and the unit disabled again.
    """
    finish = any(change.action == "finish" for change in changes)
    names = sorted(name for name in wanted if name not in actual.whole)
    kept = [change.item for change in changes if change.action == "keep"]
    lines = [_APT.strip()]
    if finish or names:
        inner = _APT + _FETCH + (_FINISH if finish else "") + (_INSTALL if names else "")
        lines.append(_AROUND.replace("@INNER@", f"unshare -m sh -eu -c {quote(inner)} sh {words(names)}").strip())
    if kept:
        lines.append(f"quietly apt-mark manual -- {words(kept)}")
    return "\n".join(lines)


_APT = f"""
export DEBIAN_FRONTEND=noninteractive DEBIAN_PRIORITY=critical UCF_FORCE_CONFFOLD=1
export APT_LISTCHANGES_FRONTEND=none NEEDRESTART_SUSPEND=1
said=$(mktemp); trap 'rm -f "$said"' EXIT
apt() {{
    apt-get -q -y --no-install-recommends --no-remove -o DPkg::Lock::Timeout={_LOCK_SECONDS} -o Dpkg::Use-Pty=0 \\
        -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \\
        -o Acquire::Retries=2 "$@"
}}
quietly() {{
    "$@" >"$said" 2>&1 || {{ echo "$1 failed; the next run goes on from here. It said:" >&2; tail -n 30 "$said" >&2; return 1; }}
}}
"""

_AROUND = f"""
enabled() {{ systemctl list-unit-files --state=enabled --plain --no-legend | cut -d ' ' -f 1 | sort; }}
mkdir -p {ENABLED_BEFORE.rpartition("/")[0]}
[ -s {ENABLED_BEFORE} ] || {{ enabled >{ENABLED_BEFORE}.new; mv {ENABLED_BEFORE}.new {ENABLED_BEFORE}; }}
status=0
@INNER@ || status=$?
systemctl daemon-reload
enabled | comm -13 {ENABLED_BEFORE} - | xargs -r systemctl --quiet disable -- 2>/dev/null || :
rm -f {ENABLED_BEFORE}
apt-get clean
[ "$status" = 0 ] || exit "$status"
"""

# From here on inside a mount namespace of its own.
_FETCH = f"""
mkdir -p /run/systemd/system-preset
mount -t tmpfs -o mode=755 tmpfs /run/systemd/system-preset
echo 'disable *' >/run/systemd/system-preset/00-recettes.preset
export SYSTEMD_OFFLINE=1
# Neither dpkg itself nor `apt-get update` waits for a lock.
locked() {{ grep -qE 'Could not get lock|was locked by another process' "$said"; }}
patiently() {{
    left={_LOCK_SECONDS // 5}
    until "$@" >"$said" 2>&1; do
        locked && [ "$left" -gt 0 ] || return 1
        left=$((left - 1)); sleep 5
    done
}}
fresh() {{ [ -n "$(find /var/lib/apt/lists/partial -maxdepth 0 -mmin -{_LISTS_MINUTES} 2>/dev/null)" ]; }}
fetch() {{
    fresh || patiently apt-get -q -o Acquire::Retries=2 update || :
    apt --download-only "$@" >"$said" 2>&1 && return
    # Lists that are not old enough to be fetched anew may still be too old.
    patiently apt-get -q -o Acquire::Retries=2 update || :
    cp "$said" "$said.update"
    apt --download-only "$@" >"$said" 2>&1 && {{ rm -f "$said.update"; return; }}
    echo 'The packages could not be fetched; nothing was installed. apt said:' >&2
    cat "$said.update" "$said" | grep -E '^([EWN]:|Err| )' | awk '!seen[$0]++' | tail -n 20 >&2
    rm -f "$said.update"
    return 1
}}
"""

_FINISH = """
patiently dpkg --force-confdef --force-confold --configure -a || :
half=$(dpkg-query -W -f '${db:Status-Abbrev}|${binary:Package}\\n' | sed -n 's/^.[^n]R|//p; s/^[ih]H |//p')
[ -z "$half" ] || { fetch --reinstall install $half; quietly apt --reinstall install $half; }
fetch --fix-broken install
quietly apt --fix-broken install
quietly dpkg --configure -a
"""

_INSTALL = """
fetch install -- "$@"
quietly apt install -- "$@"
"""
