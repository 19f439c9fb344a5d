"""The unit of BaseX in Jetty: as little of the machine as Java can run with."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address

from recettes.artifacts import home
from recettes.declarations.xmldb import XmlServer
from recettes.hardening import Exemption, hardened
from recettes.web.values import size_bytes
from recettes.xmldb import dumps, names
from recettes.xmldb.jetty import POLICY, SHOWN, STOP_SECONDS, Listening
from recettes.xmldb.programs import programs

START_PROGRAM = "/usr/local/lib/recettes/xmldb-start"
UNIT_FILE = f"/etc/systemd/system/{names.UNIT}"

# Before a command of a unit: as root, and with the machine's own files, which `+` alone does not give back.
OUTSIDE = "+/usr/bin/nsenter --target 1 --mount --"

# Of Java's memory besides the heap: classes, compiled code, buffers and threads. Measured with an edition under load: 200 MB.
_BESIDES = 512 << 20
# A cold start took 4 to 6 s on a quiet machine with two cores, 26 s on a busy one; a check before it reads all databases.
_START_SECONDS = 300

# What runs as administrator of no database reads no file through a stylesheet or an entity, and expands none without end.
# What accessExternalDTD= and its like leave open is closed by the sandbox, and by the firewall rule on the account.
JVM = (
    "-Djava.awt.headless=true",
    "-Djavax.xml.accessExternalDTD=",
    "-Djavax.xml.accessExternalSchema=",
    "-Djdk.xml.entityExpansionLimit=1000",
    "-Djdk.xml.totalEntitySizeLimit=10000000",
    # Java 21 still has it, with a warning, and a policy for each jar: without it a stylesheet may write databases' own files.
    "-Djava.security.manager",
    f"-Djava.security.policy=={names.JETTY_ROOT}/{POLICY}",
    "-Dfile.encoding=UTF-8",
    "-XX:MaxMetaspaceSize=192m",
    "-XX:MaxDirectMemorySize=64m",
    "-XX:ReservedCodeCacheSize=96m",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-UsePerfData",
)


def unit_text(server: XmlServer, listening: Listening) -> str:
    """basex.service."""
    address = f"[{listening.address}]" if ":" in listening.address else listening.address
    url = f"http://{address}:{names.PORT}{names.HEALTH_PATH}"
    family = ip_address(listening.address).version
    java = " ".join(
        (
            names.JAVA,
            heap(server),
            *JVM,
            "-jar",
            f"{names.JETTY}/start.jar",
            f"jetty.home={names.JETTY}",
            f"jetty.base={names.JETTY_ROOT}",
        )
    )
    return hardened(
        description="BaseX, the XML database server, in Jetty",
        exec_start=java,
        user=names.USER,
        unit=["Wants=network-online.target", "After=network-online.target recettes-firewall.service"],
        service=[
            "Type=exec",
            f"ExecStartPre={OUTSIDE} {START_PROGRAM} free {listening.address} {names.PORT}",
            "# What a crash has left damaged comes back; a server without that is better than none.",
            f"ExecStartPre=-{OUTSIDE} {dumps.PROGRAM} check",
            f"ExecStartPost={OUTSIDE} {START_PROGRAM} answers {url}",
            f"TimeoutStartSec={_START_SECONDS}",
            f"TimeoutStopSec={STOP_SECONDS * 3}",
            "# Java's status after SIGTERM.",
            "SuccessExitStatus=143",
            "Restart=on-failure",
            "RestartSec=2",
            "LimitNOFILE=16384",
            "Environment=LANG=C.UTF-8",
            "",
            "# A query that may parse files must find none worth reading.",
            "TemporaryFileSystem=/etc:ro /srv:ro /opt:ro /var:ro",
            f"BindReadOnlyPaths=/etc/java-21-openjdk {names.JETTY_ROOT}",
            f"BindReadOnlyPaths={' '.join(home(name) for name in programs(server))}",
            f"BindReadOnlyPaths={' '.join(SHOWN)}",
            f"BindPaths={names.DATA}",
            "InaccessiblePaths=-/boot -/mnt -/media -/usr/local/lib/recettes",
            "NoExecPaths=/",
            "ExecPaths=/usr",
            "PrivateIPC=yes",
            "SocketBindDeny=any",
            f"SocketBindAllow=ipv{family}:tcp:{names.PORT}",
        ],
        exemptions={
            "UMask": Exemption("databases and their users' passwords are for this account alone.", ("0077",)),
            "MemoryDenyWriteExecute": Exemption("Java compiles to machine code as it runs."),
            "RestrictAddressFamilies": Exemption(
                "it listens, and speaks to nobody else.", ("AF_INET" if family == 4 else "AF_INET6",)
            ),
            "IPAddressAllow": Exemption(
                "the machines that pass visitors on, and this one.", tuple(dict.fromkeys((listening.address, *listening.fronts)))
            ),
            "MemoryMax": Exemption("Java's heap, and what Java needs besides it.", (memory(server),)),
            "TasksMax": Exemption("Jetty's and Java's own threads.", ("256",)),
        },
    )


def heap(server: XmlServer) -> str:
    """Java's option. Java would see half of MemoryMax where the machine's memory is meant."""
    return f"-Xmx{server.heap}" if server.heap else "-XX:-UseContainerSupport -XX:MaxRAMPercentage=50"


def memory(server: XmlServer) -> str:
    """systemd's MemoryMax: the machine serves others besides."""
    return str(size_bytes(server.heap) + _BESIDES) if server.heap else "75%"


def reads(apps: Sequence[str], packages: Sequence[str]) -> tuple[str, ...]:
    """What the server reads anew at a reload: the releases in force."""
    return (
        *(f"{names.APPS}/{app}/current" for app in sorted(apps)),
        *(f"{names.PACKAGES}/{package}/current" for package in sorted(packages)),
    )
