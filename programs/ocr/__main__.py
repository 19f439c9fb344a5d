"""`python3 FOLDER …` runs the submitter: this folder stands alone, wherever it lies."""

from __future__ import annotations

import sys

from submitter.commands import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
