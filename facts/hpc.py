"""The gate's account on a cluster as it is."""

from __future__ import annotations

from facts.files import file_states
from facts.kraken import VENVS, venv_made
from facts.survey import Part
from recettes.ocr import names
from recettes.ocr.account import AUTHORIZED_KEYS, SUBSYSTEM, Account, AccountState
from recettes.ocr.venv import LISTING
from recettes.shell import quote, words

_FILES = "= files"


def account_state(want: Account) -> Part[AccountState]:
    """All that is asked of the account: of its own things only the lines of authorized_keys that are ours."""
    wanted = want.venv.name if want.venv else ""
    keys = quote(f"{want.home}/{AUTHORIZED_KEYS}")
    marks = " ".join(f"-e {quote(mark)}" for mark in want.marks)
    states = file_states([*want.folders(), *want.files], roots=[f"{want.folder}/{name}" for name in (names.MODELS, names.IMAGES)])
    script = f"""folder={quote(want.folder)} wanted={quote(wanted)}
{LISTING}
echo "user=$(id -un)"
echo "home=$HOME"
for program in {words(want.programs)}; do [ -x "$program" ] || echo "missing=$program"; done
[ ! -e {keys} ] || grep -aF {marks} -- {keys} | sed 's/^/key=/' || :
[ ! -e {keys} ] || [ -r {keys} ]
if [ -d "$folder" ]; then
  find "$folder" -mindepth 1 -maxdepth 1 -printf 'inside=%f\\n'
  [ ! -f "$folder/{names.READY}" ] || echo "ready=$(cat "$folder/{names.READY}")"
  {VENVS}
  for image in "$folder"/{names.IMAGES}/*.sif; do
    [ ! -f "$image" ] || echo "image=$(stat -c %Y "$image") $(basename "$image")"
  done
fi
echo {quote(_FILES)}
{states.script}"""

    def parse(lines: list[str]) -> AccountState:
        cut = lines.index(_FILES)
        said: dict[str, list[str]] = {}
        for line in lines[:cut]:
            key, equals, value = line.partition("=")
            if not equals:
                raise ValueError(line)
            said.setdefault(key, []).append(value)
        return AccountState(
            user=said["user"][0],
            home=said["home"][0],
            missing=tuple(said.get("missing", [])),
            files=states.parse(lines[cut + 1 :]),
            inside=frozenset(said.get("inside", [])),
            images={name: float(when) for when, name in (line.split(" ", 1) for line in said.get("image", []))},
            venvs=dict(venv_made(line) for line in said.get("venv", [])),
            keys=tuple(line for line in said.get("key", []) if want.owns(line)),
            ready=said.get("ready", [""])[0],
        )

    return Part(SUBSYSTEM, script, parse)
