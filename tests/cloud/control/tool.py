"""Several commands of a service's own tool, which takes seconds to load and does so once here.

python -m tests.cloud.control.tool MODULE '[["db", "sync"], …]'; the module has the tool's `main`. The first that fails ends it.
"""

from __future__ import annotations

import importlib
import json
import os
import sys

main = importlib.import_module(sys.argv[1]).main
for words in json.loads(sys.argv[2]):
    child = os.fork()
    if child == 0:
        sys.argv = [sys.argv[1].partition(".")[0], *words]
        sys.exit(main())
    if code := os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        sys.exit(code)
