"""XML databases: built anew beside the old ones when what they are made of changes, and never silently where others write."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from recettes.change import Change
from recettes.declarations.xmldb import XmlApp, XmlDatabase, XmlUser
from recettes.releases import Release
from recettes.shell import quote
from recettes.xmldb import names
from recettes.xmldb.building import PROGRAM
from recettes.xmldb.dumps import PROGRAM as DUMP

SUBSYSTEM = "databases"
# By name, what each was made of and its files as they were then. Root's alone.
NOTES = f"{names.STATE}/databases"
# A database that is about to take the place of the one of that name; no declared name has an @.
STAGED = "@new"
# The same, of a restore: programs/xmldb-dump.
RESTORED = "@restored"

# A line for all files of a database. BaseX notes in inf.basex when it last changed anything; a database that was restored from a
# dump has the same line. Reading changes nothing but the index of the documents' paths, which is made when first asked for.
STAMP = (
    r"""stamp() { ( cd "$1"; find . -type f ! -name pth.basex -printf '%P %s\n' | sort; cat inf.basex ) 2>&1 | """
    """sha256sum | cut -c1-64; }"""
)

# Nothing is read but the files themselves: https://docs.basex.org/main/Options
_APART = {
    "CREATEFILTER": "*.xml,*.XML",
    "INTPARSE": "false",
    "DTD": "false",
    "XINCLUDE": "false",
    "ADDARCHIVES": "false",
    "ADDRAW": "false",
    "SKIPCORRUPT": "false",
}


# Indexes of values: BaseX's option, and what it does where nothing is said. https://docs.basex.org/main/Options#indexing
_VALUES = {"text": ("TEXTINDEX", True), "attribute": ("ATTRINDEX", True), "token": ("TOKENINDEX", False)}


@dataclass(frozen=True)
class Database:
    """A database of a source's release. `options` are BaseX's own; one that others write is made once and then theirs."""

    release: str
    origin: str
    options: Mapping[str, str] = field(default_factory=dict)
    written: bool = False

    @property
    def digest(self) -> str:
        """Of the options."""
        return hashlib.sha256(json.dumps(dict(self.options), sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Note:
    """What a database was made of: a release, options by digest; `stamp` is of its files then."""

    release: str
    options: str
    written: bool
    stamp: str


@dataclass(frozen=True)
class DatabaseState:
    """`damaged`: an update of it was cut off, or is under way. `stray`: a dead run left something.

    `current` and `held` are of the releases of its source (recettes/releases.py).
    """

    exists: bool = False
    damaged: bool = False
    stamp: str | None = None
    note: Note | None = None
    current: str | None = None
    held: str | None = None
    stray: bool = False

    def release(self, want: Database) -> str:
        """What it is to be made of: not what was rolled back from."""
        return self.current if self.current and self.held == want.release else want.release


ABSENT = DatabaseState()


def databases_of(
    declared: Iterable[XmlDatabase], apps: Iterable[XmlApp], users: Iterable[XmlUser], sources: Mapping[str, Release]
) -> dict[str, Database]:
    """By name; `sources` are the releases of the databases' files."""
    written = {name for writes in (*(app.writes for app in apps), *(user.writes for user in users)) for name in writes}
    return {
        one.name: Database(
            sources[one.name].name, sources[one.name].origin, _options(one, one.name in written), one.name in written
        )
        for one in declared
        if one.name in sources
    }


def _options(one: XmlDatabase, written: bool) -> dict[str, str]:
    told = {
        "STRIPWS": not one.whitespace,
        "FTINDEX": one.fulltext,
        # Without it a change takes the full-text index away, and searches fail until somebody optimises.
        "AUTOOPTIMIZE": written,
    }
    told |= {option: index in one.values for index, (option, usual) in _VALUES.items() if (index in one.values) != usual}
    if one.fulltext:
        told |= {"STEMMING": one.stemming, "DIACRITICS": one.diacritics, "CASESENS": one.case}
    switches = {name: str(value).lower() for name, value in told.items()}
    return _APART | switches | ({"LANGUAGE": one.language} if one.fulltext else {})


def plan_databases(actual: Mapping[str, DatabaseState], wanted: Mapping[str, Database]) -> list[Change]:
    """One change a database, with its reason. Databases that are not declared are not touched."""
    changes = []
    for name in sorted(wanted.keys() | {name for name, is_ in actual.items() if is_.stray}):
        is_, want = actual.get(name, ABSENT), wanted.get(name)
        step = _step(is_, want) if want else None
        if step:
            changes.append(Change(SUBSYSTEM, name, *step))
        elif is_.stray:
            changes.append(Change(SUBSYSTEM, name, "clean", "what a run that died has left beside it"))
    return changes


# On a machine that was made anew beside its volume, too: what people wrote once may be in it.
_UNKNOWN = "nothing says what it was made of, so all databases are dumped before"


def _step(is_: DatabaseState, want: Database) -> tuple[str, str] | None:
    note, release = is_.note, is_.release(want)
    made = f"of {release} from {want.origin}"
    if not is_.exists:
        return None if note and note.written else ("create", made)
    if note and note.written:
        return None
    if want.written and not note:
        return "leave", "nothing says what it was made of, so it stays as it is: others write to it"
    reasons = []
    if not note:
        reasons.append(_UNKNOWN)
    elif note.release != release:
        reasons.append(f"was {note.release}")
    elif note.options != want.digest:
        reasons.append("from now on others write to it" if want.written else "with other options")
    elif is_.damaged:
        reasons.append("an update of it was cut off")
    elif note.stamp != is_.stamp:
        reasons.append("its files were changed on the machine")
    return ("rebuild", f"{made}, {reasons[0]}") if reasons else None


def remarks(actual: Mapping[str, DatabaseState], wanted: Mapping[str, Database]) -> list[str]:
    """What no run does by itself: sentences for the administrator."""
    said = []
    for name, is_ in sorted(actual.items()):
        want = wanted.get(name)
        if want is None:
            if is_.exists:
                said.append(f"database {name} is not declared; it stays until `bin/xmldb purge {name}`")
        elif is_.note and is_.note.written:
            said += _about_written(name, is_, is_.note, want)
    return said


def _about_written(name: str, is_: DatabaseState, note: Note, want: Database) -> list[str]:
    if not is_.exists:
        return [
            f"database {name} is gone; what others wrote into it is in the dumps: `bin/xmldb restore {name}`. "
            f"To make it anew of its source instead: {_anew(name, want)}"
        ]
    if is_.damaged:
        return [f"database {name}: an update of it is under way or was cut off; `bin/xmldb restore {name}` if that lasts"]
    if note.release not in (is_.release(want), "-"):
        return [
            f"database {name} stays as others wrote it: its source is now {is_.release(want)} from {want.origin}, it was made of "
            f"{note.release}. To make it anew of its source: {_anew(name, want)}"
        ]
    if want.written and note.options not in (want.digest, "-"):
        return [
            f"database {name} stays as others wrote it, with the options (language, indexes) that it was made with. Those "
            f"that are declared are others. To make it anew of its source: {_anew(name, want)}"
        ]
    return []


def _anew(name: str, want: Database) -> str:
    """One to which nobody is declared to write is purged only while it is not declared: bin/xmldb."""
    if want.written:
        return f"`bin/xmldb purge {name}`, then run again"
    return (
        f"take it out of its project and of the `reads` of applications and people, `bin/xmldb purge {name}`, "
        "declare it again, and run"
    )


def databases_script(change: Change, is_: DatabaseState, want: Database | None) -> str:
    """Built beside, exchanged in the running server, and only then noted: a run that dies on the way is made again."""
    name = change.item
    if change.action == "clean":
        return f"rm -rf -- {quote(f'{names.DATA}/{name}{STAGED}')} {quote(f'{names.STAGING}/{name}')}"
    assert want is not None
    if change.action == "leave":
        return _noted(name, Note("-", "-", True, "-"))
    release = is_.release(want)
    asked = {"source": f"{names.SOURCES}/{name}/releases/{release}", "options": dict(want.options)}
    # Status 3: a database could not be read.
    first = [f"{DUMP} dump --label before-rebuild || [ $? = 3 ]"] if is_.exists and not is_.note else []
    return "\n".join(
        [
            *first,
            f"{PROGRAM} build {name} <<'END_OF_WISH'\n{json.dumps(asked)}\nEND_OF_WISH",
            f"{names.PROGRAM} swap {name}",
            STAMP,
            _noted(name, Note(release, want.digest, want.written, f"$(stamp {names.DATA}/{name})")),
        ]
    )


def _noted(name: str, note: Note) -> str:
    new = f"{NOTES}/.{name}"
    line = f"{note.release} {note.options} {'written' if note.written else 'made'} {note.stamp}"
    return f'umask 077\nmkdir -p {NOTES}\necho "{line}" >{new}\nsync -- {new}\nmv -fT {new} {NOTES}/{name}'
