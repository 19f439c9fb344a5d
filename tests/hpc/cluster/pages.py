"""Pages with known text, drawn on the cluster's own machine with the font that the tiny model was trained for."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from xml.etree import ElementTree

from recettes.containers.machine import Machine

# Of the model's alphabet: no J, Q, X, Z, and no accents.
TEXT = (
    "The lab printed this page to see",
    "whether a machine could read it.",
    "It was read at night in 1834 lines;",
    "and nothing of it was ever lost.",
)
_DRAW = """
import base64, io, json, sys
from PIL import Image, ImageDraw, ImageFont
font = ImageFont.truetype("/usr/share/fonts/truetype/dejavu/DejaVuSerif.ttf", 30)
for name, lines in json.load(sys.stdin).items():
    image = Image.new("1", (900, 60 + 70 * len(lines)), 1)
    pen = ImageDraw.Draw(image)
    for number, line in enumerate(lines):
        pen.text((40, 40 + 70 * number), line, font=font, fill=0)
    out = io.BytesIO()
    image.save(out, "PNG")
    print(name, base64.b64encode(out.getvalue()).decode(), sep="\\t")
"""
_BOMB = """
import base64, io
from PIL import Image
out = io.BytesIO()
Image.new("1", (20000, 20000), 1).save(out, "PNG")
print(base64.b64encode(out.getvalue()).decode())
"""


def draw(machine: Machine, pages: Mapping[str, Sequence[str]]) -> dict[str, bytes]:
    """PNG images by name."""
    out = machine.run(f"python3 -c '{_DRAW}' <<'END'\n{json.dumps(pages)}\nEND").out
    return {name: base64.b64decode(image) for name, image in (line.split("\t") for line in out.splitlines())}


def bomb(machine: Machine) -> bytes:
    """A PNG of 20,000 x 20,000 pixels in 60 kB."""
    return base64.b64decode(machine.run(f"python3 -c '{_BOMB}'").out)


def text_of(alto: bytes) -> str:
    """The lines of an ALTO file."""
    lines = [node for node in ElementTree.fromstring(alto).iter() if node.tag.endswith("}TextLine")]
    words = [[node.get("CONTENT", "") for node in line.iter() if node.tag.endswith("}String")] for line in lines]
    return "\n".join(" ".join(line) for line in words)


def text_of_page(page: bytes) -> str:
    """The lines of a PAGE file."""
    lines = [node for node in ElementTree.fromstring(page).iter() if node.tag.endswith("}TextLine")]
    return "\n".join("".join(node.itertext()).strip() for line in lines for node in line if node.tag.endswith("}TextEquiv"))


def file_name(alto: bytes) -> str:
    """Which image the ALTO file says it is of."""
    return next(node.text or "" for node in ElementTree.fromstring(alto).iter() if node.tag.endswith("}fileName"))


def character_error(read: str, drawn: str) -> float:
    """Levenshtein's distance as a part of what was drawn."""
    row = list(range(len(read) + 1))
    for i, wanted in enumerate(drawn, 1):
        before, row[0] = row[0], i
        for j, found in enumerate(read, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (wanted != found))
    return row[-1] / len(drawn)
