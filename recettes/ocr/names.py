"""Where things of text recognition lie, on the cluster's account and on the submitter's machine."""

from __future__ import annotations

# On the cluster's account, relative to its home: everything of ours, and nothing else.
GATE_FOLDER = "ocr"
GATE = "ocr-gate"
SETTINGS = "ocr-gate.json"
JOB = "ocr-job"
PAGES = "ocr-pages"
MODELS = "models"
IMAGES = "images"
VENV = "kraken-"  # and a digest: one folder for each set of wheels
INCOMING = "incoming"  # large files on their way; empty otherwise
READY = "ready"  # says for which installation a page was recognised
STOP = "STOP"  # a person's: closes the gate

# On the submitter's machine.
ACCOUNT = "ocr"
PROGRAM = "/usr/local/bin/ocr"
SUBMITTER_SETTINGS = "/etc/recettes/ocr.json"
KNOWN_HOSTS = "/etc/recettes/ocr/known_hosts"
KEY_FOLDER = "/var/lib/recettes/ocr"
KEY = f"{KEY_FOLDER}/key"
QUEUE = "/srv/ocr/queue"
STATE = "/srv/ocr/state"
RESULTS = "/srv/ocr/results"

# The submitter's private key in the estate's secrets; made when first needed.
KEY_SECRET = "ocr-key"  # noqa: S105  a name, not a value
COMMENT = "recettes-ocr"  # at the end of its public line
