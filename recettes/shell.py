"""Shell text for the machines, sent on standard input of one `sh -s`: no limit on length, nothing in a process list."""

from __future__ import annotations

import base64
import shlex

quote = shlex.quote
_END = "END_OF_CONTENT"


def whole(script: str) -> str:
    """The script as one compound command.

    The shell reads it to its end before it runs the first line, so a connection cut on the way runs nothing, and no command
    in it can swallow the rest of the script as its own standard input.
    """
    return "{\nset -eu\nexport LC_ALL=C\n" + script.rstrip("\n") + "\n} </dev/null\n"


def write(path: str, content: bytes) -> str:
    """Lines that write `content` to `path`, whatever bytes it has."""
    encoded = base64.encodebytes(content).decode().rstrip("\n")
    return f"base64 -d >{quote(path)} <<'{_END}'\n{encoded}\n{_END}\n"


def words(items: object) -> str:
    """Several words, each quoted."""
    return " ".join(quote(str(item)) for item in items)  # type: ignore[attr-defined]


# swap NEW PLACE: two folders change places in one step; NEW takes its place where there is none.
SWAP = r"""swap() {
  if [ ! -e "$2" ] && [ ! -L "$2" ]; then mv -T -- "$1" "$2"; return; fi
  said=$(mv --exchange -T -- "$1" "$2" 2>&1) && return
  # On overlay file systems, which are those of containers, a folder that came with the image can only be copied.
  case $said in *cross-device*) ;; *) echo "$said" >&2; return 1 ;; esac
  mv -T -- "$2" "$1.old"
  mv -T -- "$1" "$2"
  rm -rf -- "$1.old"
}"""
