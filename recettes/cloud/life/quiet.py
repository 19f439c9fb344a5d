"""A machine stands still while a snapshot is taken: what its roles write is closed, and its data volumes' file systems freeze.

It is let go by the machine itself, should nobody come to do it. The system's own file system is only written out and never
frozen, or nobody could come: as it is then, it is as after a power cut, which its journal is for.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from recettes.shell import quote, words
from recettes.xmldb.names import UNIT as XMLDB_UNIT

# By machine type, what is stopped. What has a log of its own to recover from, as PostgreSQL has, may go on: it is stopped by the
# freeze, all at one moment. BaseX has none.
STOPPED = {"xmldb": (XMLDB_UNIT,)}
# Seconds that a machine stands still at most; the cloud takes a snapshot in a few.
LEASE = 300
_FOLDER = "/run/recettes/quiet"
_TIMER = "recettes-quiet-ends"


def units_of(groups: Collection[str]) -> tuple[str, ...]:
    return tuple(unit for group, units in STOPPED.items() if group in groups for unit in units)


def quiet_script(units: Sequence[str], mounts: Sequence[str]) -> str:
    """Lines for root: everything stands still when they have ended well, and nothing does when they have not."""
    return f"""
if systemctl is-active --quiet {_TIMER}.timer; then
  echo 'it stands still for another snapshot already' >&2
  exit 1
fi
rm -rf {_FOLDER}
mkdir -p -m 700 {_FOLDER}
cat >{_FOLDER}/end <<'END_OF_SCRIPT'
while read -r mount; do fsfreeze -u "$mount" || true; done <{_FOLDER}/frozen
while read -r unit; do systemctl start --no-block "$unit" || true; done <{_FOLDER}/stopped
END_OF_SCRIPT
: >{_FOLDER}/frozen
: >{_FOLDER}/stopped
systemctl stop {_TIMER}.timer {_TIMER}.service 2>/dev/null || true
systemctl reset-failed {_TIMER}.service 2>/dev/null || true
systemd-run --quiet --unit={_TIMER} --on-active={LEASE} --timer-property=AccuracySec=1s sh {_FOLDER}/end
undo() {{ sh {_FOLDER}/end; systemctl stop {_TIMER}.timer 2>/dev/null || true; rm -rf {_FOLDER}; exit 1; }}
for unit in {words(units)}; do
  if systemctl is-active --quiet "$unit"; then
    echo "$unit" >>{_FOLDER}/stopped
    systemctl stop "$unit" || undo
  fi
done
sync
for mount in {words(mounts)}; do
  if mountpoint --quiet "$mount"; then
    echo "$mount" >>{_FOLDER}/frozen
    fsfreeze -f "$mount" || undo
  fi
done
if ! systemctl is-active --quiet {_TIMER}.timer || systemctl is-active --quiet {_TIMER}.service; then
  echo 'it took too long to stand still' >&2
  undo
fi
"""


def end_script() -> str:
    """Everything goes on. Ends with status 1 where it had gone on before: then the snapshot is of no one moment."""
    return f"""
systemctl is-active --quiet {_TIMER}.timer && held=yes || held=no
sh {_FOLDER}/end
systemctl stop {_TIMER}.timer 2>/dev/null || true
rm -rf {_FOLDER}
[ $held = yes ] || {{ echo 'the machine had gone on by itself before all was taken' >&2; exit 1; }}
"""


def grow_script(mount: str) -> str:
    """Lines for root: the file system is as large as what it lies on, partition included. Nothing is done where it is."""
    return f"""
mount={quote(mount)}
source=$(findmnt -no SOURCE --mountpoint "$mount") || {{ echo "nothing is mounted at $mount" >&2; exit 1; }}
kind=$(findmnt -no FSTYPE --mountpoint "$mount")
name=$(basename "$(readlink -f "$source")")
if [ -e "/sys/class/block/$name/partition" ]; then
  disk=$(basename "$(readlink -f "/sys/class/block/$name/..")")
  command -v growpart >/dev/null || {{ echo 'growpart is not installed (package cloud-guest-utils)' >&2; exit 1; }}
  said=$(growpart "/dev/$disk" "$(cat "/sys/class/block/$name/partition")" 2>&1) || case $said in
    NOCHANGE*) ;;
    *) echo "$said" >&2; exit 1 ;;
  esac
fi
case $kind in
  ext2 | ext3 | ext4) resize2fs "$source" ;;
  xfs) xfs_growfs "$mount" ;;
  btrfs) btrfs filesystem resize max "$mount" ;;
  *) echo "a file system of kind $kind at $mount is not known how to grow" >&2; exit 1 ;;
esac
"""
