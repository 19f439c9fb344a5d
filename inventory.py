"""The machines of the chosen estate (RECETTES_ESTATE, by default the containers of bin/try), and the lab that is wanted on them.
With OS_CLOUD, those that the cloud has.

Only reads. `pyinfra inventory.py deploys/web.py --dry --diff` shows what would change.
"""

import os as _os
import sys as _sys
from pathlib import Path as _Path

# pyinfra switches this off, for deploy files; the modules behind them would be compiled anew in every run.
_sys.dont_write_bytecode = bool(_os.environ.get("PYTHONDONTWRITEBYTECODE"))

import click as _click
from pyinfra.api.exceptions import PyinfraError as _PyinfraError
from pyinfra.context import ctx_config as _ctx_config
from pyinfra_cli.exceptions import CliError as _CliError

from recettes.cloud.client import begin as _begin

_options = _click.get_current_context().params
# deploys/cloud*.py act on the cloud itself, from this computer: no machine has to be there for them, or to answer.
_of_cloud = any(_Path(_name).name.startswith("cloud") for _name in _options.get("operations") or ())
if _os.environ.get("OS_CLOUD"):
    _begin("reading", *([] if _of_cloud else ["inventory"]))  # it takes as long as all that follows here

from recettes.authority import CertificateError as _CertificateError
from recettes.declarations.base import DeclarationError as _DeclarationError
from recettes.estate import GROUPS as _GROUPS
from recettes.estate import EstateError as _EstateError
from recettes.lab import load as _load
from recettes.roles import check_secrets as _check_secrets
from recettes.secrets import SecretsError as _SecretsError
from recettes.ssh import without_delay as _without_delay


class _MistakeError(_CliError, _PyinfraError):
    """Shown in its own words: being of both kinds keeps pyinfra from printing a traceback above them."""


try:
    _lab = _load(
        applying=not _options.get("dry") and (_options.get("yes") or not _options.get("json_output")), machines=not _of_cloud
    )
    if not _of_cloud:
        _check_secrets(_lab)
except (_EstateError, _DeclarationError, _SecretsError, _CertificateError) as _error:
    raise _MistakeError(str(_error)) from None
_without_delay()
if _options.get("fail_percent") is None:
    # A machine that fails does not keep the run from the others. pyinfra would ask a person; the exit status says it.
    _ctx_config.get().FAIL_PERCENT = None

cloud = ["@local"] if _of_cloud else []
all = ([*cloud, *((_m.name, _lab.estate.ssh_data(_m)) for _m in _lab.estate.machines.values())], {"lab": _lab})
for _group in _GROUPS:
    globals()[_group] = [_m.name for _m in _lab.estate.of_group(_group)]
