"""The machine's firewall: one nftables table of ours, rendered from what the machine lets in.

Other tables (fail2ban's, a container engine's) are none of our business: nothing here flushes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from ipaddress import ip_address

from recettes.change import Change, text_diff
from recettes.files import File, text
from recettes.flows import Opening, Rules
from recettes.shell import quote
from recettes.trials import Trial, write_to

TABLE = "inet recettes"
# With names of accounts, as the rules have them.
LIST = f"nft -u list table {TABLE}"
SAVED = "/etc/recettes/firewall.nft"
UNIT = "recettes-firewall.service"
UNIT_FILE = f"/etc/systemd/system/{UNIT}"
# Debian's own unit: it flushes every table when it starts and when it stops.
FLUSHING_UNIT = "nftables.service"

# Whoever sits at an address that no declared network covers (at home, on the road) is let in from it, and noted with the day.
# These notes are not part of the wanted rules: every run looks only for its own address, so that runs of two administrators do
# not fight over the list. A note is renewed when it is half spent, and forgotten when no run has come from there for long.
_NOTE_AGAIN = timedelta(days=15)
_FORGET = timedelta(days=30)

# What programs/ssh-window gives to packets that may come in for a while. Nothing from outside carries a mark.
WINDOW_MARK = "0x72637773"
_COMMENT_BYTES = 120  # the kernel's limit is 127

Present = Mapping[str, date | None]


@dataclass(frozen=True)
class FirewallState:
    """The table as the kernel has it, as it would have the wanted one, and the rules saved for the next boot.

    `live` is None where there is no table, `normal` None where nft is not installed yet, `saved` None where nothing is saved. In
    all of them the present addresses are left out: `present` and `saved_present` have them with the day of their note, None where
    it has none of ours. `refused` are the kernel's words against the wanted rules. `client` and `port` are the two ends of this
    run's own SSH connection, None where it is none.
    """

    live: tuple[str, ...] | None = None
    normal: tuple[str, ...] | None = None
    saved: tuple[str, ...] | None = None
    saved_mode: str = ""
    present: Present = field(default_factory=dict)
    saved_present: Present = field(default_factory=dict)
    refused: str = ""
    client: str | None = None
    port: int | None = None
    flushing_unit: str = "disabled"

    @property
    def noted(self) -> Present:
        """The present addresses; where the table is gone, those that were saved."""
        return self.present if self.live is not None else self.saved_present


SAVED_MODE = "root:root 600"


def render(rules: Rules, present: Present | None = None) -> str:
    """The rules as nft reads them; loading them replaces our table in one step."""
    return "\n".join(
        [
            "# Managed by recettes: rendered from the lab's flows. What is changed here by hand is lost.",
            f"table {TABLE}",
            f"delete table {TABLE}",
            f"table {TABLE} {{",
            *_sets(rules, present or {}),
            *_input(rules),
            *_forward(rules),
            *_output(rules),
            "}",
            "",
        ]
    )


def _sets(rules: Rules, present: Present) -> list[str]:
    lines = []
    for version in (4, 6):
        known = {opening.source: opening for opening in rules.openings if opening.networks}
        for source, opening in sorted(known.items()):
            elements = [str(network) for network in opening.networks or () if network.version == version]
            lines += _set(_set_name(source, version), version, elements, "interval") if elements and _is_name(source) else []
        here = [
            f'{address} comment "{day}"' for address, day in sorted(present.items()) if ip_address(address).version == version
        ]
        lines += _set(f"present{version}", version, here)
    return lines


def _set(name: str, version: int, elements: Sequence[str], flags: str = "") -> list[str]:
    kind = {4: "ipv4_addr", 6: "ipv6_addr"}[version]
    return [
        f"\tset {name} {{",
        f"\t\ttype {kind}",
        *([f"\t\tflags {flags}"] if flags else []),
        *([f"\t\telements = {{ {', '.join(elements)} }}"] if elements else []),
        "\t}",
    ]


def _is_name(source: str) -> bool:
    return source[:1].isalpha() and ":" not in source


def _set_name(source: str, version: int) -> str:
    return f"from_{source.replace('-', '_')}{version}"


def _input(rules: Rules) -> list[str]:
    return [
        "\tchain input {",
        "\t\ttype filter hook input priority filter; policy drop;",
        "\t\tct state established,related accept",
        "\t\tct state invalid drop",
        '\t\tiifname "lo" accept',
        *_ESSENTIAL,
        *[f"\t\t{line}" for opening in rules.openings for line in _accept(opening)],
        f'\t\tip saddr @present4 tcp dport {rules.ssh_port} accept comment "SSH from where runs come from"',
        f'\t\tip6 saddr @present6 tcp dport {rules.ssh_port} accept comment "SSH from where runs come from"',
        *([f'\t\tmeta mark {WINDOW_MARK} tcp dport {rules.ssh_port} accept comment "SSH for a while"'] if rules.windows else []),
        "\t\tmeta pkttype { broadcast, multicast } drop",
        '\t\tlimit rate 10/minute burst 20 packets log prefix "recettes-drop: "',
        "\t}",
    ]


# What IP itself needs: errors and path MTU, neighbours and routers, multicast membership, pings in moderation, addresses by DHCP.
_ESSENTIAL = (
    "\t\ticmp type { destination-unreachable, time-exceeded, parameter-problem } accept",
    "\t\ticmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } accept",
    "\t\ticmpv6 type { nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } ip6 hoplimit 255 accept",
    "\t\tip6 saddr fe80::/10 icmpv6 type { mld-listener-query, mld-listener-report } accept",
    "\t\tip6 saddr fe80::/10 icmpv6 type { mld-listener-done, mld2-listener-report } accept",
    "\t\ticmp type echo-request limit rate 20/second burst 20 packets accept",
    "\t\ticmpv6 type echo-request limit rate 20/second burst 20 packets accept",
    "\t\tudp sport 67 udp dport 68 accept",
    "\t\tip6 saddr fe80::/10 udp sport 547 udp dport 546 accept",
)

# Where a cloud tells a machine what it was started with, its own SSH keys among that: root's business.
# https://docs.openstack.org/nova/latest/user/metadata.html
_METADATA = ("ip daddr 169.254.169.254", "ip6 daddr fe80::a9fe:a9fe")


def _forward(rules: Rules) -> list[str]:
    return [
        "\tchain forward {",
        f"\t\ttype filter hook forward priority filter; policy {'accept' if rules.forward else 'drop'};",
        *([f"\t\t{metadata} drop" for metadata in _METADATA] if rules.forward else []),
        "\t}",
    ]


def _output(rules: Rules) -> list[str]:
    return [
        "\tchain output {",
        "\t\ttype filter hook output priority filter; policy accept;",
        # Not `meta skuid`: it needs no account that may be missing at boot (see _LOAD).
        *[f"\t\t{metadata} skuid != 0 reject with icmpx admin-prohibited" for metadata in _METADATA],
        *[f'\t\tmeta skuid "{account}" ct state new reject with icmpx admin-prohibited' for account in rules.muted],
        "\t}",
    ]


def _accept(opening: Opening) -> list[str]:
    ports = str(opening.first) if opening.first == opening.last else f"{opening.first}-{opening.last}"
    verdict = f'{opening.protocol} dport {ports} accept comment "{_comment(opening.comment)}"'
    if opening.networks is None:
        return [verdict]
    lines = []
    for version, keyword in ((4, "ip"), (6, "ip6")):
        networks = [str(network) for network in opening.networks if network.version == version]
        if networks:
            origin = f"@{_set_name(opening.source, version)}" if _is_name(opening.source) else networks[0]
            lines.append(f"{keyword} saddr {origin} {verdict}")
    return lines


def _comment(words: str) -> str:
    return words.encode()[:_COMMENT_BYTES].decode(errors="ignore")


def locked_out(rules: Rules, client: str | None, port: int | None) -> str | None:
    """Why these rules would not let this run's own administrator in again; None when they would."""
    if client is None or port is None or port == rules.ssh_port or rules.admits(client, port):
        return None
    return (
        f"these rules would lock you out: you are connected from {client} to port {port}, and they open SSH at port "
        f"{rules.ssh_port} only. The port in the estate's machines.toml must be the one where the machine's sshd listens. "
        "The firewall was not changed."
    )


def present_after(actual: FirewallState, rules: Rules, today: date) -> dict[str, date]:
    """The addresses to let in at the SSH port besides the declared ones, with the day of their note."""
    kept = {address: day for address, day in actual.noted.items() if day and today - day <= _FORGET}
    client = actual.client
    if client and not rules.admits(client, rules.ssh_port) and today - kept.get(client, date.min) > _NOTE_AGAIN:
        kept[client] = today
    return kept


def plan_firewall(actual: FirewallState, rules: Rules, today: date) -> list[Change]:
    """The table, its copy for the next boot and the present addresses as wanted, and nobody else who flushes them."""
    changes = []
    wanted = tuple(render(rules).splitlines())
    if actual.live is None:
        changes.append(Change("firewall", f"table {TABLE}", "create", "after a trial", _diff((), wanted)))
    elif actual.live != actual.normal:
        changes.append(
            Change("firewall", f"table {TABLE}", "change", "after a trial", _diff(actual.live, actual.normal or wanted))
        )
    present = present_after(actual, rules, today)
    for address in sorted(actual.noted.keys() - present.keys()):
        changes.append(Change("firewall", address, "forget", f"no run came from it in {_FORGET.days} days"))
    for address in sorted(present):
        if present[address] != actual.noted.get(address):
            changes.append(Change("firewall", address, "let in", "you come from it"))
    if (actual.saved, actual.saved_mode, actual.saved_present) != (wanted, SAVED_MODE, present):
        changes.append(Change("firewall", SAVED, "save", "for the next boot"))
    if actual.flushing_unit not in ("disabled", "masked", "not-found"):
        changes.append(Change("firewall", FLUSHING_UNIT, "disable", "it flushes all tables at boot"))
    return changes


def _diff(before: Sequence[str], after: Sequence[str]) -> tuple[str, ...]:
    return text_diff(f"table {TABLE}", "\n".join(before).encode(), "\n".join(after).encode())


def firewall_trial(rules: Rules, present: Present) -> Trial:
    """The rules put in force at once, and saved only when somebody has come in through them."""
    old = f"table {TABLE}\ndelete table {TABLE}"
    new = f"{SAVED}.recettes-new"
    return Trial(
        "firewall",
        prepare=write_to("$trial/new.nft", render(rules, present).encode())
        + f'echo {quote(old)} >"$trial/old.nft"\n'
        + f'if nft list tables | grep -qx {quote(f"table {TABLE}")}; then nft list table {TABLE} >>"$trial/old.nft"; fi',
        load=f'nft -f "$trial/new.nft"\nsystemctl disable -q {FLUSHING_UNIT} 2>/dev/null || :',
        # What was there may have been made by hand and not load again: then what was saved, then nothing of ours.
        undo=f'nft -f "$trial/old.nft" || nft -f {SAVED} || nft delete table {TABLE}',
        save=f'[ -d /etc/recettes ] || ( umask 022; mkdir -p /etc/recettes )\ninstall -m 600 "$trial/new.nft" {new}\nsync {new}',
        settle=f"mv -fT {new} {SAVED}\nsync /etc/recettes",
    )


def firewall_files() -> dict[str, File]:
    """The unit that loads the saved rules before the network comes up."""
    return {UNIT_FILE: text(_UNIT)}


# The rules name accounts; one that somebody deleted must not leave the machine without a firewall.
_LOAD = f"/bin/sh -c '/usr/sbin/nft -f {SAVED} || sed \"/meta skuid/d\" {SAVED} | /usr/sbin/nft -f -'"

# Ours loads after Debian's, should somebody have enabled that one again since the last run.
_UNIT = f"""\
# Managed by recettes.
[Unit]
Description=Firewall of this machine
DefaultDependencies=no
Wants=network-pre.target
Before=network-pre.target shutdown.target
After={FLUSHING_UNIT}
Conflicts=shutdown.target
ConditionPathExists={SAVED}

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={_LOAD}
ExecReload={_LOAD}
CapabilityBoundingSet=CAP_NET_ADMIN
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
ProtectControlGroups=yes
ProtectKernelLogs=yes
ProtectKernelTunables=yes
ProtectClock=yes
ProtectHostname=yes
ProtectProc=invisible
PrivateDevices=yes
RestrictAddressFamilies=AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
UMask=0077

[Install]
WantedBy=sysinit.target
"""
