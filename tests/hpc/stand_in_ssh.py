"""A stand-in for ssh that calls the gate on this computer as sshd would; where it is SSH that counts, the tests use a real one.

The folder that is named first has `plan.json` (the gate's command), `calls` (the words of each call), `count`, and
`fault.json`: at the call number `at` (from 1; none: at each) `kill` says when the submitter is killed, "before" or "after",
`cut` how many bytes of a stream get through before the connection breaks, `says` what is answered instead of the gate:
{"out", "err", "status"}.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

HERE = Path(sys.argv[1])


def main(words: list[str]) -> int:
    words = words[words.index("--") + 2 :]
    fault_file, count_file = HERE / "fault.json", HERE / "count"
    fault = json.loads(fault_file.read_text()) if fault_file.exists() else {}
    count = int(count_file.read_text()) + 1 if count_file.exists() else 1
    count_file.write_text(str(count))
    if fault.get("at", count) != count:
        fault = {}
    if fault.get("kill") == "before":
        os.kill(os.getppid(), signal.SIGKILL)
        return 255
    if says := fault.get("says"):
        sys.stdout.write(says.get("out", ""))
        sys.stderr.write(says.get("err", ""))
        return int(says.get("status", 0))
    with (HERE / "calls").open("a") as file:
        file.write(" ".join(words) + "\n")
    plan = json.loads((HERE / "plan.json").read_text())
    environment = {"SSH_ORIGINAL_COMMAND": " ".join(words), "SSH_CONNECTION": plan["connection"], "PATH": "/usr/bin:/bin"}
    cut = fault.get("cut")
    given = sys.stdin.buffer.read() if cut is None else sys.stdin.buffer.read(cut)
    gate = subprocess.run(plan["gate"], env=environment, input=given, stdout=subprocess.PIPE, check=False)
    answer = gate.stdout if cut is None or words[0] != "fetch" else gate.stdout[:cut]
    sys.stdout.buffer.write(answer)
    sys.stdout.flush()
    if fault.get("kill") == "after":
        os.kill(os.getppid(), signal.SIGKILL)
    if cut is not None and words[0] in ("put", "fetch"):
        sys.stderr.write("client_loop: send disconnect: Broken pipe\n")
        return 255
    return gate.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[2:]))
