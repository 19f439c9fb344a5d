"""Kraken's virtual environments as they are, on a cluster's account or a compute machine, and the models of the latter."""

from __future__ import annotations

from facts.files import file_states
from facts.survey import Part
from recettes.compute.kraken import CURRENT, HOME, MODELS, SUBSYSTEM, Kraken, KrakenState
from recettes.ocr.venv import LISTING, NAME, Made
from recettes.shell import quote

# Lines "venv=…" for those in $folder: the one called $wanted is looked at whole, others only by their age.
VENVS = r"""for venv in "$folder"/*/; do
  name=$(basename "$venv"); place=$folder/$name
  [ ! -L "$place" ] || continue
  case $name in
    "$wanted") now=$(venv_listing "$place") ;;
    kraken-*) now=- ;;
    *) continue ;;
  esac
  recorded=-; [ ! -f "$place.listing" ] || recorded=$(cat "$place.listing")
  echo "venv=$name $recorded $now $(stat -c %Y "$place")"
done"""
_FILES = "= files"


def venv_made(line: str) -> tuple[str, Made]:
    """What follows "venv="."""
    name, recorded, now, seconds = line.split(" ")
    if not NAME.fullmatch(name):
        raise ValueError(line)
    return name, Made("" if recorded == "-" else recorded, now, float(seconds))


def kraken_state(want: Kraken) -> Part[KrakenState]:
    """All of it that lies in /opt/kraken."""
    states = file_states([CURRENT], roots=[MODELS])
    script = f"""folder={HOME} wanted={quote(want.venv.name if want.venv else "")}
{LISTING}
if [ -d "$folder" ]; then
  find "$folder" -mindepth 1 -maxdepth 1 -printf 'inside=%f\\n'
  {VENVS}
fi
echo {quote(_FILES)}
{states.script}"""

    def parse(lines: list[str]) -> KrakenState:
        cut = lines.index(_FILES)
        inside, venvs = set(), {}
        for line in lines[:cut]:
            key, equals, value = line.partition("=")
            if key == "venv":
                name, venvs[name] = venv_made(value)
            elif key == "inside" and equals:
                inside.add(value)
            else:
                raise ValueError(line)
        return KrakenState(states.parse(lines[cut + 1 :]), frozenset(inside), venvs)

    return Part(SUBSYSTEM, script, parse)
