"""What somebody else already serves where the lab's front is to be."""

from __future__ import annotations

from facts.survey import Part
from recettes.neighbours import Neighbours
from recettes.roles.web import NGINX_DROP_IN
from recettes.web.names import NGINX_UNIT

# nginx itself says what it reads, wherever that lies. Debian's default site is nobody's, as long as it is as it was shipped.
_SCRIPT = rf"""
runs() {{ systemctl --quiet is-active {NGINX_UNIT} || systemctl --quiet is-enabled {NGINX_UNIT} 2>&-; }}
if [ ! -e {NGINX_DROP_IN} ] && runs; then
    shipped=$(dpkg-query -W -f '${{Conffiles}}\n' nginx-common | awk '$1 == "/etc/nginx/sites-available/default" {{ print $2 }}')
    nginx -t -q
    nginx -T -q 2>&- | awk '
        /^# configuration file .*:$/ {{ file = substr($0, 22, length($0) - 22); next }}
        {{ sub(/#.*/, "") }}
        /(^|[[:space:];{{}}])server[[:space:]]*([{{]|$)/ && !seen[file]++ {{ print file }}' |
    while IFS= read -r file; do
        [ "$(md5sum <"$file" | cut -c -32)" = "$shipped" ] || printf 'file=%s\n' "$file"
    done
fi
ss -Hltnp '( sport = :80 or sport = :443 )' |
    sed -n 's/^.*:\(80\|443\) .*users:(("\([^"]*\)".*/program=\1 \2/p' | sort -u | sed '/ nginx$/d'
"""


def neighbours() -> Part[Neighbours]:
    """Servers of others, as long as nginx is not ours yet, and other programs at a front's ports."""
    return Part("neighbours", _SCRIPT, _parse)


def _parse(lines: list[str]) -> Neighbours:
    files, programs = [], []
    for line in lines:
        key, _, value = line.partition("=")
        if key == "file":
            files.append(value)
        elif key == "program":
            port, _, program = value.partition(" ")
            programs.append((int(port), program))
        else:
            raise ValueError(line)
    return Neighbours(tuple(files), tuple(programs))
