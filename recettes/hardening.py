"""The one template of which every daemon of ours gets its systemd unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MANAGED = "# Managed by recettes: changes made here are undone by the next run.\n"
# What every unit starts from. systemd.exec(5) and systemd.resource-control(5) say what each does.
BASELINE: Mapping[str, tuple[str, ...]] = {
    "UMask": ("0027",),
    "NoNewPrivileges": ("yes",),
    "CapabilityBoundingSet": ("",),
    "AmbientCapabilities": ("",),
    "ProtectSystem": ("strict",),
    "ProtectHome": ("yes",),
    "PrivateTmp": ("yes",),
    "PrivateDevices": ("yes",),
    "PrivateMounts": ("yes",),
    "ProtectKernelTunables": ("yes",),
    "ProtectKernelModules": ("yes",),
    "ProtectKernelLogs": ("yes",),
    "ProtectControlGroups": ("yes",),
    "ProtectClock": ("yes",),
    "ProtectHostname": ("yes",),
    "ProtectProc": ("invisible",),
    "ProcSubset": ("pid",),
    "RestrictAddressFamilies": ("AF_UNIX AF_INET AF_INET6",),
    "RestrictNamespaces": ("yes",),
    "RestrictRealtime": ("yes",),
    "RestrictSUIDSGID": ("yes",),
    "LockPersonality": ("yes",),
    "MemoryDenyWriteExecute": ("yes",),
    "RemoveIPC": ("yes",),
    "KeyringMode": ("private",),
    "SystemCallArchitectures": ("native",),
    "SystemCallFilter": ("@system-service", "~@privileged @resources"),
    "IPAddressDeny": ("any",),
    "IPAddressAllow": ("localhost",),
    "DevicePolicy": ("closed",),
    "MemoryMax": ("512M",),
    "TasksMax": ("128",),
}


@dataclass(frozen=True)
class Exemption:
    """Another value for a line of the baseline, and why this daemon needs it. Several values are several lines; none drops it."""

    reason: str
    values: tuple[str, ...] = ()


def hardened(
    *,
    description: str,
    exec_start: str,
    user: str,
    exemptions: Mapping[str, Exemption] | None = None,
    unit: Sequence[str] = (),
    service: Sequence[str] = (),
    wanted_by: str | None = "multi-user.target",
) -> str:
    """Text of a service unit: the baseline, but for the exemptions, whose reasons stand in it as comments.

    `unit` and `service` are further lines of these sections, for what is no hardening (After=, Type=, StateDirectory=).
    ValueError for an exemption without reason or from a line that is not in the baseline, and for a line that goes round it.
    """
    if hidden := sorted({line.partition("=")[0] for line in service} & BASELINE.keys()):
        raise ValueError(f"{hidden[0]}: is hardened; another value is an exemption with a reason")
    lines = [
        "[Unit]",
        f"Description={description}",
        *unit,
        "",
        "[Service]",
        f"ExecStart={exec_start}",
        f"User={user}",
        *service,
        "",
        *hardening(exemptions or {}),
    ]
    if wanted_by:
        lines += ["", "[Install]", f"WantedBy={wanted_by}"]
    return MANAGED + "\n".join(lines) + "\n"


def hardening(exemptions: Mapping[str, Exemption]) -> list[str]:
    """The lines of the baseline, but for the exemptions. Raises ValueError as `hardened` does."""
    if unknown := sorted(exemptions.keys() - BASELINE.keys()):
        raise ValueError(f"{unknown[0]}: no unit is hardened by this, so none can be exempted from it")
    if silent := sorted(name for name, exemption in exemptions.items() if not exemption.reason.strip()):
        raise ValueError(f"{silent[0]}: an exemption needs a reason")
    return [line for name, usual in BASELINE.items() for line in _lines(name, usual, exemptions.get(name))]


def _lines(name: str, usual: tuple[str, ...], exemption: Exemption | None) -> list[str]:
    if exemption is None:
        return [f"{name}={value}" for value in usual]
    head = f"# {name} is {'not set' if not exemption.values else 'not as usual'}: {exemption.reason}"
    return [head, *(f"{name}={value}" for value in exemption.values)]
