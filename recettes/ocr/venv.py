"""Kraken in a virtual environment of wheels that the controller sends, in a folder of whoever runs it.

FOLDER/kraken-DIGEST           the environment; the one before stays, for jobs that still run
FOLDER/kraken-DIGEST.listing   digest over its files as they were made
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from recettes.change import Change
from recettes.contents.wheels import REQUIREMENTS
from recettes.ocr import names
from recettes.ocr.settings import digest_of
from recettes.shell import quote, words

NAME = re.compile(rf"{names.VENV}[0-9a-f]{{12}}")
# What a virtual environment is: its files, but not what the interpreter notes for itself.
LISTING = r"""venv_listing() {
  ( cd "$1" && find . -name __pycache__ -prune -o ! -type d -printf '%y %m %u %s %Ts %P\t%l\n' | sort | sha256sum | cut -c1-64 )
}"""


@dataclass(frozen=True)
class Venv:
    """The wheels of `requirements`, for Python `version` on `platforms`.

    `shared`: it sees the packages of `python`, too, which is there after `modules` are loaded.
    """

    requirements: str = field(repr=False)
    version: str
    platforms: tuple[str, ...]
    python: str
    modules: tuple[str, ...]
    shared: bool

    @property
    def digest(self) -> str:
        return digest_of(self.requirements, self.version, *self.platforms, self.python, *self.modules, str(self.shared))

    @property
    def name(self) -> str:
        """Of its folder."""
        return f"{names.VENV}{self.digest}"


@dataclass(frozen=True)
class Made:
    """A virtual environment that is there: digest of its files as they were made, and as they are where that was looked at."""

    recorded: str
    actual: str
    seconds: float


def plan_venv(subsystem: str, folder: str, made: Mapping[str, Made], venv: Venv) -> Change | None:
    """None where it is there, and nobody has touched it."""
    there = made.get(venv.name)
    if there and there.recorded and there.recorded == there.actual:
        return None
    return Change(subsystem, f"{folder}/{venv.name}", "restore" if there else "install", "Kraken, from wheels")


def old_venvs(made: Mapping[str, Made], venv: Venv | None, *, keep_one: bool = False) -> list[str]:
    """Names of those that nobody needs: the newest of the others may still be at work, and stays; where none is wanted any more,
    only if `keep_one`."""
    others = sorted((one.seconds, name) for name, one in made.items() if venv is None or name != venv.name)
    return [name for _, name in (others[:-1] if venv or keep_one else others)]


def builds(changes: Iterable[Change]) -> bool:
    """Whether the changes make the virtual environment."""
    return any(change.action in ("install", "restore") for change in changes)


def _modules_script(modules: Iterable[str]) -> str:
    """As the job loads them. What a cluster reads for that is not written for -e and -u, and may set umask and locale."""
    loaded = words(modules)
    return f"""set +eu
command -v module >/dev/null 2>&1 || . /etc/profile
module load {loaded} || {{ echo {quote(f"module load {loaded} failed")} >&2; exit 1; }}
export LC_ALL=C
set -eu"""


def venv_script(venv: Venv, folder: str, *, incoming: str, archive: str, umask: str) -> str:
    """Made in its place, which its programs have written in them; it counts from its listing on.

    `archive` is the wheels' tar, in the folder `incoming`, which goes at the end.
    """
    modules = _modules_script(venv.modules) if venv.modules else ":"
    shared = "--system-site-packages" if venv.shared else ""
    return f"""{LISTING}
place={quote(f"{folder}/{venv.name}")}; incoming={quote(incoming)}; wheels=$incoming/wheels
trap 'rm -rf -- "$wheels"' EXIT
{modules}
umask {umask}
rm -f -- "$place.listing"; rm -rf -- "$place" "$wheels"; mkdir "$wheels"
tar -xf {quote(archive)} -C "$wheels"
rm -f -- {quote(archive)}
{quote(venv.python)} -m venv {shared} "$place"
"$place/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --no-cache-dir --no-index --no-deps \\
  --require-hashes --find-links "$wheels" --requirement "$wheels/{REQUIREMENTS}"
[ -f "$place/bin/kraken" ] || {{ echo 'the wheels brought no program kraken' >&2; exit 1; }}
[ -x "$place/bin/kraken" ] || {{ echo "nothing may be run from $place: is its file system mounted noexec?" >&2; exit 1; }}
venv_listing "$place" >"$place.listing-new"
sync -f "$place"
mv -fT -- "$place.listing-new" "$place.listing"
rm -rf -- "$incoming\""""
