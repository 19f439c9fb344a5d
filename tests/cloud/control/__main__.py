"""A control plane to try things on, with a project: python -m tests.cloud.control FOLDER"""

from __future__ import annotations

import signal
import sys
from contextlib import suppress
from pathlib import Path

from tests.cloud.control.launch import join
from tests.cloud.project import CLOUD, make_project

folder = Path(sys.argv[1])
control = join(folder / "control")
try:
    project = make_project(control.place, folder / "project")
    print(f"export OS_CLIENT_CONFIG_FILE={project.clouds} OS_CLOUD={CLOUD}\nCtrl-C ends it.", flush=True)
    with suppress(KeyboardInterrupt):
        signal.pause()
finally:
    control.leave()
