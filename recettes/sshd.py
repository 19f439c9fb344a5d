"""The SSH server: hardened, on a configuration of our own, and never reconfigured without somebody having logged in through it.

Debian's sshd_config is not used: the first value counts there, and files of others (cloud-init's among them) are read first.
sshd runs on a copy in /run that every start takes from the saved file. A trial touches the copy only, so a reboot ends it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from recettes.base.access import KEYS
from recettes.change import Change, text_diff
from recettes.declarations.flows import SSH_PORT
from recettes.shell import quote
from recettes.trials import Trial, write_to

UNIT = "ssh.service"
SAVED = "/etc/recettes/sshd_config"
LIVE = "/run/recettes/sshd_config"
DROP_IN = f"/etc/systemd/system/{UNIT}.d/recettes.conf"
# Named so that it comes last and wins while it lasts.
TRIAL_DROP_IN = f"/run/systemd/system/{UNIT}.d/zz-recettes-trial.conf"
STAGED = "/run/recettes/sshd_config.staged"
# sshd writes it once it listens, after a reload too.
_PID_FILE = "/run/sshd.pid"
_MODE = "root:root 600"


@dataclass(frozen=True)
class SshdState:
    """What is saved, what sshd was given, its drop-in; contents None where there is no file. Modes are "owner:group octal".

    `on_ours` is whether the running sshd was started on LIVE, `in_trial` whether the drop-in of a trial lies there.
    """

    saved: bytes | None = None
    saved_mode: str = ""
    live: bytes | None = None
    drop_in: bytes | None = None
    active: str = "active"
    enabled: str = "enabled"
    on_ours: bool = False
    in_trial: bool = False


def sshd_config(*, login: str, jump: bool = False, port: int = SSH_PORT, exempt: Collection[str] = ()) -> str:
    """The configuration. `login` is the account that the estate gives for this machine: its own keys go on counting.

    `jump`: one goes on from here to other machines. `exempt` are networks (CIDR) that are not made to wait after failures.
    """
    return "\n".join(
        [
            "# Managed by recettes. This is the whole configuration: /etc/ssh/sshd_config is not read.",
            f"Port {port}",
            f"PidFile {_PID_FILE}",
            "HostKey /etc/ssh/ssh_host_ed25519_key",
            "HostKey /etc/ssh/ssh_host_rsa_key",
            "RequiredRSASize 3072",
            "",
            "# Post-quantum exchanges first; the last is the only one here that Python's SSH library knows.",
            f"KexAlgorithms {','.join(_KEX)}",
            f"Ciphers {','.join(_CIPHERS)}",
            f"MACs {','.join(_MACS)}",
            f"HostKeyAlgorithms {','.join(_HOST_KEYS)}",
            "",
            "AuthenticationMethods publickey",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            f"PermitRootLogin {'prohibit-password' if login == 'root' else 'no'}",
            f"AuthorizedKeysFile {KEYS}/%u",
            "UsePAM yes",
            "MaxAuthTries 4",
            "LoginGraceTime 30",
            "MaxStartups 10:30:60",
            *([f"PerSourcePenaltyExemptList {','.join(sorted(exempt))}"] if exempt else []),
            "",
            *(["AllowTcpForwarding local", f"PermitOpen *:{SSH_PORT}"] if jump else ["AllowTcpForwarding no"]),
            "AllowStreamLocalForwarding no",
            "AllowAgentForwarding no",
            "X11Forwarding no",
            "PermitTunnel no",
            "PermitUserRC no",
            "ClientAliveInterval 60",
            "ClientAliveCountMax 2",
            "TCPKeepAlive no",
            "Compression no",
            "",
            "LogLevel VERBOSE",
            "DebianBanner no",
            "PrintMotd no",
            "AcceptEnv LANG LC_* COLORTERM NO_COLOR",
            "Subsystem sftp internal-sftp",
            "",
            f"Match User {login}",
            f"    AuthorizedKeysFile {KEYS}/%u .ssh/authorized_keys",
            "",
        ]
    )


# ssh-audit 3.9 finds nothing weak in these. OpenSSH 10 and paramiko 4 both know one of each at least.
_KEX = (
    "mlkem768x25519-sha256",
    "sntrup761x25519-sha512",
    "sntrup761x25519-sha512@openssh.com",
    "curve25519-sha256@libssh.org",
)
_CIPHERS = (
    "chacha20-poly1305@openssh.com",
    "aes256-gcm@openssh.com",
    "aes128-gcm@openssh.com",
    "aes256-ctr",
    "aes192-ctr",
    "aes128-ctr",
)
_MACS = ("hmac-sha2-512-etm@openssh.com", "hmac-sha2-256-etm@openssh.com", "umac-128-etm@openssh.com")
_HOST_KEYS = ("ssh-ed25519", "rsa-sha2-512", "rsa-sha2-256")


def drop_in(source: str = SAVED) -> str:
    """How the unit starts sshd on a copy of `source`."""
    return f"""\
# Managed by recettes.
[Service]
ExecStartPre=
ExecStartPre=/usr/bin/install -D -m 600 {source} {LIVE}
ExecStartPre=/usr/sbin/sshd -t -f {LIVE}
ExecStart=
ExecStart=/usr/sbin/sshd -D -f {LIVE}
ExecReload=
ExecReload=/usr/sbin/sshd -t -f {LIVE}
ExecReload=/bin/kill -HUP $MAINPID
"""


def plan_sshd(actual: SshdState, config: str) -> list[Change]:
    """The configuration saved, started from and in force as wanted."""
    wanted = config.encode()
    changes = []
    if actual.saved != wanted:
        action = "create" if actual.saved is None else "change"
        changes.append(Change("sshd", SAVED, action, "after a trial", text_diff(SAVED, actual.saved or b"", wanted)))
    elif actual.saved_mode != _MODE:
        changes.append(Change("sshd", SAVED, "own", f"{_MODE}, was {actual.saved_mode}"))
    if actual.drop_in != drop_in().encode():
        action = "create" if actual.drop_in is None else "change"
        diff = text_diff(DROP_IN, actual.drop_in or b"", drop_in().encode())
        changes.append(Change("sshd", DROP_IN, action, "after a trial", diff))
    if restarts(actual):
        changes.append(Change("sshd", UNIT, "restart", "open sessions stay"))
    elif actual.live != wanted:
        changes.append(Change("sshd", UNIT, "reload", "open sessions stay"))
    if actual.enabled != "enabled":
        changes.append(Change("sshd", UNIT, "enable"))
    return changes


def restarts(actual: SshdState) -> bool:
    """Whether a reload would not be enough: sshd was not started as our drop-in says."""
    return actual.drop_in != drop_in().encode() or not actual.on_ours or actual.in_trial


def stage_script(config: str) -> str:
    """The configuration laid beside, and checked by sshd itself."""
    return (
        "umask 077\nmkdir -p /run/recettes\n"
        + write_to(STAGED, config.encode())
        + f"""\
if ! said=$(/usr/sbin/sshd -t -f {STAGED} 2>&1); then
  echo "sshd does not take the new configuration; the old one stays in force: $said" >&2
  exit 1
fi"""
    )


# systemd starts a unit five times in ten seconds and then no more: sshd would stay down after the last restart of many.
_HOWEVER_OFTEN = f"systemctl reset-failed {UNIT} || :"


def sshd_trial(config: str, *, restart: bool) -> Trial:
    """The configuration put in force at once, and saved only when somebody has logged in through it."""
    return Trial(
        "sshd",
        prepare=write_to("$trial/sshd_config", config.encode()) + f'if [ -e {LIVE} ]; then cp -p {LIVE} "$trial/before"; fi',
        load=_restart_on_trial() if restart else _reload_on_trial(),
        # What is saved may be what somebody broke: what goes back in force is what was.
        undo=f"""\
rm -f {TRIAL_DROP_IN}
systemctl daemon-reload
{_HOWEVER_OFTEN}
if [ -e "$trial/before" ]; then
  install -m 600 "$trial/before" {LIVE}
  systemctl reload-or-restart {UNIT}
else
  systemctl restart {UNIT}
  rm -f {LIVE}
fi""",
        save=f"""\
( umask 022; mkdir -p /etc/recettes {quote(DROP_IN.rpartition("/")[0])} )
install -m 600 "$trial/sshd_config" {SAVED}.recettes-new
{write_to(DROP_IN + ".recettes-new", drop_in().encode())}chmod 644 {DROP_IN}.recettes-new
sync {SAVED}.recettes-new {DROP_IN}.recettes-new""",
        settle=f"""\
mv -fT {SAVED}.recettes-new {SAVED}
mv -fT {DROP_IN}.recettes-new {DROP_IN}
rm -f {TRIAL_DROP_IN} {STAGED}
systemctl daemon-reload
systemctl enable -q {UNIT}""",
    )


# sshd removes its pid file when it is told to reload, and writes it again once it listens with the new configuration.
_LISTENS = f"""\
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do [ -s {_PID_FILE} ] && break; sleep 0.2; done
[ -s {_PID_FILE} ]"""


def _reload_on_trial() -> str:
    return f"""\
install -m 600 "$trial/sshd_config" {LIVE}.new
mv -fT {LIVE}.new {LIVE}
rm -f {_PID_FILE}
systemctl reload {UNIT}
{_LISTENS}"""


def _restart_on_trial() -> str:
    source = "/run/recettes/trial/sshd/sshd_config"
    return f"""\
( umask 022; mkdir -p {quote(TRIAL_DROP_IN.rpartition("/")[0])} )
{write_to(TRIAL_DROP_IN, drop_in(source).encode())}systemctl daemon-reload
{_HOWEVER_OFTEN}
systemctl restart {UNIT}
{_LISTENS}"""
