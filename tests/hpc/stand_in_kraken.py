#!/usr/bin/python3 -ISB
"""A stand-in for Kraken where the job around it is the point: it writes ALTO or PAGE for each `-i IN OUT`, at once.

A page of the tests is a real image header; a text part `do:WHAT [WORD]` in it makes this program do something else: fail WHY
(says so, as Kraken does, and ends well), none (no result, not a word), empty, broken, entities, nameless (such a result),
die (kills itself), hang, peek PATH (the result holds what can be read there), link PATH (the result is a link to it).
Called `broken`, it does not start.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from pathlib import Path

ALTO = (
    '<?xml version="1.0"?><alto xmlns="http://www.loc.gov/standards/alto/ns-v4#"><Description><sourceImageInformation>'
    "<fileName>{name}</fileName></sourceImageInformation></Description>"
    '<Layout><Page><String CONTENT="{text}"/></Page></Layout></alto>'
)
PAGE = '<?xml version="1.0"?><PcGts xmlns="x"><Page imageFilename="{name}">{text}</Page></PcGts>'
# Results that are none.
WRONG = {
    "empty": "",
    "broken": ALTO[:60],
    "entities": ALTO.replace("<alto", "<!DOCTYPE x><alto"),
    "nameless": ALTO.replace("fileName", "nothing"),
}


def peeked(path: str) -> str:
    try:
        return "seen:" + Path(path).read_bytes()[:20].hex()
    except OSError as error:
        return f"hidden:{error.errno}"


def recognise(source: Path, place: Path, form: str) -> None:
    told = re.search(rb"do:([a-z]+)(?: (\S+))?", source.read_bytes())
    do, word = (told[1].decode(), (told[2] or b"").decode()) if told else ("", "")
    if do == "fail":
        # As Kraken 7.0.3 says it, through rich, on a terminal of COLUMNS.
        said = f"[11/23/26 10:00:00] ERROR    Failed processing {source}: {word.replace('_', ' ')}"
        print(said.ljust(int(os.environ["COLUMNS"]) - 13) + "kraken.py:393")
    elif do == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    elif do == "hang":
        time.sleep(600)
    elif do == "link":
        place.symlink_to(word)
    elif do != "none":
        content = WRONG.get(do, form).replace("{name}", f"/tmp/{source.name}.bin")
        place.write_text(content.replace("{text}", peeked(word) if do == "peek" else ""))


def main(words: list[str]) -> None:
    if Path(sys.argv[0]).name == "broken":
        sys.exit("ImportError: no module named torch")
    Path(words[words.index("-m") + 1]).read_bytes()
    for at, word in enumerate(words):
        if word == "-i":
            recognise(Path(words[at + 1]), Path(words[at + 2]), PAGE if words[0] == "-x" else ALTO)


if __name__ == "__main__":
    main(sys.argv[1:])
