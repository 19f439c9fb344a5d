"""A trial: a change that takes itself back unless somebody comes in anew and says that it may stay.

All of it lies in /run: a reboot forgets the trial, and the machine starts with what was saved before.
"""

from __future__ import annotations

from dataclasses import dataclass

from recettes.shell import quote, write

TRIALS = "/run/recettes/trial"
WAY_BACK = "recettes-undo-"  # the names of the units that take a trial back begin so


@dataclass(frozen=True)
class Trial:
    """Shell lines of one trial. They find its folder in $trial and run as root.

    `prepare` writes what is to be tried, and whatever `undo` needs, into the folder; `load` puts it in force without saving it;
    `undo` brings back what was before; `save` gets the new ready beside its place for the next boot; `settle` renames it into
    its place.
    """

    name: str
    prepare: str
    load: str
    undo: str
    save: str
    settle: str

    @property
    def folder(self) -> str:
        return f"{TRIALS}/{self.name}"

    @property
    def unit(self) -> str:
        return f"{WAY_BACK}{self.name}"


def begin_script(trial: Trial, seconds: int) -> str:
    """Arms the way back, then puts the new in force. A trial that an earlier run left open is taken back first."""
    stop = f"systemctl stop {trial.unit}.timer 2>/dev/null || :"
    take_back = f'if mv "$trial/undo" "$trial/taken" 2>/dev/null; then sh "$trial/taken"; fi; {stop}'
    return f"""\
trial={quote(trial.folder)}
umask 077
{take_back}
while systemctl is-active -q {trial.unit}.service; do sleep 0.2; done
rm -rf "$trial"
mkdir -p "$trial"
{trial.prepare.rstrip()}
cat >"$trial/undo.new" <<'END_OF_UNDO'
trial={quote(trial.folder)}
umask 077
{trial.undo.rstrip()}
echo {quote(f"{trial.name}: nobody came in anew in time; what was before is back")}
END_OF_UNDO
mv "$trial/undo.new" "$trial/undo"
trap '[ $? = 0 ] || {{ {take_back}; }}' EXIT
systemd-run -q --collect --unit={trial.unit} --on-active={seconds}s --timer-property=AccuracySec=1s \\
  sh -c 'mv "$1/undo" "$1/taken" && exec sh "$1/taken"' undo "$trial"
{trial.load.rstrip()}"""


def keep_script(trial: Trial) -> str:
    """Takes the way back away and saves. Whoever renames `undo` first has won: this, or the timer."""
    return f"""\
trial={quote(trial.folder)}
umask 077
{trial.save.rstrip()}
mv "$trial/undo" "$trial/done" 2>/dev/null || {{ echo 'too late: what was before is back already' >&2; exit 1; }}
{trial.settle.rstrip()}
systemctl stop {trial.unit}.timer
rm -rf "$trial\""""


def write_to(place: str, content: bytes) -> str:
    """Lines that write the content to a place that the shell expands, such as "$trial/rules"."""
    return write("/place", content).replace(">/place", f'>"{place}"', 1)
