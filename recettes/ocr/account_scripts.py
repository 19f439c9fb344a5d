"""Shell text that brings the gate's account to what is wanted. POSIX sh and GNU coreutils, as the account itself."""

from __future__ import annotations

from collections.abc import Sequence

from recettes.files import File
from recettes.ocr import names
from recettes.ocr.account import AUTHORIZED_KEYS, Account
from recettes.ocr.venv import Venv, venv_script
from recettes.shell import quote, words, write

TRIAL_PAGE = "trial.png"
# A job of one page on a free node takes less than a minute; a queue may take hours, and the next run goes on.
TRIAL_SECONDS = 900


def incoming(want: Account, name: str) -> str:
    """Where a large file arrives."""
    return f"{want.folder}/{names.INCOMING}/{name}"


def folders_script(want: Account) -> str:
    """The folders of the account's own that are ours. Those above are somebody else's and have to be there."""
    lines = ["umask 077"]
    for path in want.folders():
        lines += [f"[ -d {quote(path)} ] || mkdir -- {quote(path)}", f"chmod 700 -- {quote(path)}"]
    return "\n".join(lines)


def place_script(want: Account, arrived: str, path: str) -> str:
    """A large file that has arrived whole takes its place."""
    return f"chmod 400 -- {quote(arrived)}\nmv -fT -- {quote(arrived)} {quote(path)}\n{_tidy(want)}"


def wheels_script(want: Account, venv: Venv, archive: str) -> str:
    """The virtual environment, from the wheels that have arrived."""
    return venv_script(venv, want.folder, incoming=f"{want.folder}/{names.INCOMING}", archive=archive, umask="077")


def programs_script(want: Account, paths: Sequence[str]) -> str:
    """All staged beside their places, then renamed one right after the other: nobody calls a gate with half of its parts new."""
    lines, renames = ["umask 077"], []
    for path in paths:
        file: File = want.files[path]
        staged = f"{want.folder}/.new-{path.rpartition('/')[2]}"
        lines += [f"rm -f -- {quote(staged)}", write(staged, file.content or b"") + f"chmod {file.mode:o} {quote(staged)}"]
        renames.append(f"mv -fT -- {quote(staged)} {quote(path)}")
    return "\n".join([*lines, f"sync -f {quote(want.folder)}", *renames])


def trial_script(want: Account, program: str, page: bytes) -> str:
    """One page through the gate and Slurm; `ready` names the installation only when its words came back.

    The batch is called after the installation: a second run goes on with the job of the first.
    """
    place = f"{want.folder}/{names.INCOMING}"
    python, gate = want.command.split(" ", 1)[0], f"{want.folder}/{names.GATE}"
    run = words(
        [python, "-ISB", f"{place}/ocr-trial", gate, f"trial-{want.digest}", want.model, f"{place}/{TRIAL_PAGE}", TRIAL_SECONDS]
    )
    return f"""umask 077
place={quote(place)}; ready={quote(f"{want.folder}/{names.READY}")}
trap 'rm -rf -- "$place"' EXIT
rm -rf -- "$place"; mkdir "$place"; rm -f -- "$ready"
{write(f"{place}/ocr-trial", program.encode())}
{write(f"{place}/{TRIAL_PAGE}", page)}
said=$({run} 2>&1) || {{ printf '%s\\n' "$said" >&2; exit 1; }}
echo {quote(want.digest)} >"$ready.new"
mv -fT -- "$ready.new" "$ready"
printf '%s\\n' "$said\""""


def keys_script(want: Account, before: Sequence[str]) -> str:
    """Our lines leave authorized_keys and the wanted one comes; every other line stays as it is, byte by byte.

    Where the file is a link (some clusters keep it elsewhere) its target is written.
    """
    path = quote(f"{want.home}/{AUTHORIZED_KEYS}")
    drop = " ".join(f"-e {quote(line)}" for line in before)
    keep = f"""grep -avxF {drop} -- "$file" >"$new" || [ $? -eq 1 ]""" if before else ":"
    line = "" if want.key is None else f"{want.key}\n"
    return f"""umask 077
folder={quote(f"{want.home}/.ssh")}
[ -d "$folder" ] || mkdir -m 700 "$folder"
file=$(readlink -m -- {path}); new=$file.recettes-new
trap 'rm -f -- "$new"' EXIT
rm -f -- "$new"
if [ -e "$file" ]; then
  cp -p -- "$file" "$new"
  {keep}
  # A last line without an end would swallow ours.
  [ ! -s "$new" ] || [ -z "$(tail -c 1 -- "$new")" ] || echo >>"$new"
else
  : >"$new"
fi
{_append(line)}
sync -- "$new"
mv -fT -- "$new" "$file\""""


def _append(line: str) -> str:
    return f"""printf '%s' {quote(line)} >>"$new\"""" if line else ":"


def remove_script(paths: Sequence[str]) -> str:
    """A virtual environment's listing goes last: while it is there, the next run knows the rest as ours."""
    return "\n".join(f"rm -rf -- {quote(path)}; rm -f -- {quote(f'{path}.listing')}" for path in paths)


def _tidy(want: Account) -> str:
    return f"rm -rf -- {quote(f'{want.folder}/{names.INCOMING}')}"
