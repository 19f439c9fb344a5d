"""What is known of the submitter's key: where it was proved, and what trying it finds now."""

from __future__ import annotations

from facts.survey import Part
from recettes.ocr.proof import NOTES, SUBSYSTEM, Proof, tries_script


def proofs_noted() -> Part[dict[str, str]]:
    """Digests of what was proved, by cluster."""
    script = f'for note in {NOTES}/*; do [ ! -f "$note" ] || echo "$(basename "$note") $(cat "$note")"; done'

    def parse(lines: list[str]) -> dict[str, str]:
        return dict(_pair(line) for line in lines if line)

    return Part(SUBSYSTEM, script, parse)


def tried(proof: Proof) -> Part[list[str]]:
    """The lines of `tries_script`."""
    return Part(SUBSYSTEM, tries_script(proof), list)


def _pair(line: str) -> tuple[str, str]:
    name, digest = line.split(" ")
    return name, digest
