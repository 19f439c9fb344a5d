"""The programs that machines run, as modules."""

from __future__ import annotations

import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from types import ModuleType

from recettes.recipes import ROOT


def program(name: str) -> ModuleType:
    """One of programs/, loaded anew, without leaving bytecode beside it."""
    loader = SourceFileLoader(name.replace("-", "_"), str(ROOT / "programs" / name))
    spec = spec_from_loader(loader.name, loader)
    assert spec
    module = module_from_spec(spec)
    keep, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    loader.exec_module(module)
    sys.dont_write_bytecode = keep
    return module
