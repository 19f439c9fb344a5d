"""A machine of the estate by the computer's own ssh, as the recipes reach it: strictly, and asking nobody."""

from __future__ import annotations

from recettes.estate import Estate, Machine

_OPTIONS = {
    "BatchMode": "yes",
    "ConnectTimeout": "20",
    # A line that is dead is noticed within a minute.
    "ServerAliveInterval": "15",
    "ServerAliveCountMax": "4",
    "StrictHostKeyChecking": "yes",
    "ClearAllForwardings": "yes",
}


def ssh(estate: Estate, machine: Machine, command: str) -> list[str]:
    """The words that run the command there as root. It goes through a shell there: fixed words and names only."""
    config, key = estate.folder / "ssh_config", estate.folder / "administrator"
    options = {**_OPTIONS, "UserKnownHostsFile": f'"{estate.folder / "known_hosts"}"', "GlobalKnownHostsFile": "/dev/null"}
    # What is said first counts: a jump host is the configuration's to say, the machine's own address is the estate's.
    options |= {"HostName": machine.address, "User": machine.user, "Port": str(machine.port)}
    options |= {"IdentityFile": f'"{key}"'} if key.exists() else {}
    given = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    return ["ssh", "-T", *(["-F", str(config)] if config.exists() else []), *given, machine.name, f"sudo -n {command}"]
