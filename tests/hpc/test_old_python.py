"""The gate and the job run on clusters: plain Python 3.6, its standard library, nothing else."""

from __future__ import annotations

import ast
import sys

import pytest

from recettes.recipes import ROOT
from tests.hpc.inside import GATE

# What is used is old: a module that came after 3.6 (dataclasses, contextvars, zoneinfo …) has to fail here.
MODULES = {
    "ctypes", "errno", "fcntl", "hashlib", "json", "os", "pwd", "re", "resource", "shutil", "signal", "stat", "struct",
    "subprocess", "sys", "tempfile", "time", "traceback", "xml",
}  # fmt: skip
# Names and arguments of the standard library that came later, and are easily written.
LATER = {
    "capture_output", "text", "removeprefix", "removesuffix", "waitstatus_to_exitcode", "fromisoformat", "cached_property",
    "memfd_create", "missing_ok", "dirs_exist_ok", "isascii", "monotonic_ns", "time_ns",
}  # fmt: skip


@pytest.mark.parametrize("name", ["ocr-gate", "ocr-pages", "ocr-trial"])
def test_a_program_of_the_cluster_is_python_3_6(name: str) -> None:
    tree = ast.parse((ROOT / "programs" / name).read_text(), feature_version=(3, 6))
    imported = {
        alias.name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert imported <= MODULES <= sys.stdlib_module_names
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    given = {word.arg for node in ast.walk(tree) if isinstance(node, ast.Call) for word in node.keywords}
    # feature_version lets some later forms pass.
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.NamedExpr | ast.Match | ast.AnnAssign)]
    assert not (used | given) & LATER
    assert (ROOT / "programs" / name).read_text().startswith("#!/usr/bin/python3 -ISB\n")


def test_the_protocol_says_every_exit_status_of_the_gate() -> None:
    told = (ROOT / "docs/ocr-protocol.md").read_text()
    codes = (GATE.USAGE, GATE.STREAM, GATE.NOTHING, GATE.CLOSED, GATE.FAULT, GATE.FULL, GATE.LATER, GATE.FORBIDDEN, GATE.UNSAFE)
    assert all(f"\n| {code} | " in told for code in codes)
    assert all(f'"{setting}": ' in told for setting in GATE.SETTINGS if setting not in ("slurm", "job"))
    assert all(f'"{setting}": ' in told for setting in {**GATE.SETTINGS["slurm"], **GATE.SETTINGS["job"]})
