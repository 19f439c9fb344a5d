"""Certificates as they are: every pair below /etc/recettes/tls and every lineage of certbot that is ours, in one read."""

from __future__ import annotations

from collections.abc import Iterable

from facts.survey import Part
from recettes.acme import WEBROOT
from recettes.certificates import STAGED, TLS, CertificateTable, Lineage, Pair
from recettes.shell import quote

_CERTBOT = "/etc/letsencrypt"
_SHA256_LENGTH = 64
# Of a chain only its first certificate is understood here; a digest stands for the rest.
_LEAF = r"""'
    FNR == 1 { on = 1; print "C " FILENAME }
    on && /^(-----[A-Z ]+-----|[A-Za-z0-9+\/=]+)$/ { print "P " $0 }
    /END CERT/ { on = 0 }'"""
_CONF = f"""'
    FNR == 1 {{ print "L " FILENAME }}
    /^server *=/ {{ print "S " $NF }}
    index($0, "{WEBROOT}") {{ print "W" }}'"""
# No program is started per pair, but for lineages: one, and three more where certbot's key is not the one in force.
_SCRIPT = rf"""
if [ -d {TLS} ]; then
  cd {TLS}
  find -L . -mindepth 1 -name '.*' -prune -o -printf 'F %y %u:%g:%m %P\n'
  find -L . -mindepth 1 -name '.*' -prune -o -type f -name '*.pem' -exec sha256sum -- {{}} +
  find -L . -mindepth 1 -name '.*' -prune -o -type f -name pair -exec awk '{{ print "N " FILENAME " " $0 }}' {{}} +
  find -L . -mindepth 1 -name '.*' -prune -o -type f -name fullchain.pem -exec awk {_LEAF} {{}} +
fi
if [ -d {_CERTBOT}/renewal ]; then
  cd {_CERTBOT}
  find renewal -maxdepth 1 -name '*.conf' -type f -exec awk {_CONF} {{}} +
  if [ -d live ]; then
    find -L live -mindepth 2 -maxdepth 2 -name fullchain.pem -type f -exec sha256sum -- {{}} +
    find -L live -mindepth 2 -maxdepth 2 -name fullchain.pem -type f -exec awk {_LEAF} {{}} +
    for chain in live/*/fullchain.pem; do
      name=${{chain#live/}}; name=${{name%/*}}; key=live/$name/privkey.pem
      if cmp -s "$key" "{TLS}/$name/key.pem"; then
        echo "K same $name"
      elif public=$(openssl pkey -in "$key" -pubout 2>/dev/null) &&
           [ "$public" = "$(openssl x509 -in "$chain" -noout -pubkey 2>/dev/null)" ]; then
        echo "K own $name"
      fi
    done
  fi
fi
"""


def certificate_states() -> Part[CertificateTable]:
    """All of it, for any number of sites. Of a key no more is printed than a digest."""
    return Part("certificates", _SCRIPT, _parse)


def _parse(lines: list[str]) -> CertificateTable:
    modes: dict[str, str] = {}
    digests: dict[str, str] = {}
    notes: dict[str, str] = {}
    leaves: dict[str, list[str]] = {}
    lineages: dict[str, dict[str, str]] = {}
    keys: dict[str, str] = {}
    leaf: list[str] = []
    conf: dict[str, str] = {}
    for line in lines:
        kind, _, rest = line.partition(" ")
        if kind == "F":
            type_, owner, path = rest.split(" ", 2)
            modes[path] = f"{type_} {owner}"
        elif len(kind) == _SHA256_LENGTH:
            digests[rest.strip().removeprefix("./")] = kind
        elif kind == "N":
            path, _, note = rest.partition(" ")
            notes[path.removeprefix("./").removesuffix("/pair")] = note
        elif kind == "C":
            leaf = leaves.setdefault(rest.removeprefix("./"), [])
        elif kind == "P":
            leaf.append(rest)
        elif kind == "L":
            conf = lineages.setdefault(rest.removeprefix("renewal/").removesuffix(".conf"), {})
        elif kind in ("S", "W"):
            conf[kind] = rest
        elif kind == "K":
            relation, _, name = rest.partition(" ")
            keys[name] = relation
        else:
            raise ValueError(line)

    def pair(chain: str, whole: bool) -> Pair:
        return Pair("\n".join(leaves.get(chain, [])) + "\n", digests.get(chain, ""), whole)

    served = {name: pair(f"{name}/fullchain.pem", _whole(name, modes, digests, notes)) for name in modes if "/" not in name}
    certbot = {}
    for name, conf in lineages.items():
        if "W" in conf:
            chain = f"live/{name}/fullchain.pem"
            now = served.get(name)
            # The key in force was seen to belong to the chain in force: the same key is good for the same chain.
            same = keys.get(name) == "same" and now is not None and now.whole and now.digest == digests.get(chain)
            certbot[name] = Lineage(pair(chain, same or keys.get(name) == "own"), conf.get("S", ""))
    return CertificateTable(served, certbot)


def _whole(name: str, modes: dict[str, str], digests: dict[str, str], notes: dict[str, str]) -> bool:
    """As install-certificate left it, which had seen that key and chain belong together."""
    chain, key = f"{name}/fullchain.pem", f"{name}/key.pem"
    as_put = [modes.get(name), modes.get(chain), modes.get(key)] == ["d root:root:755", "f root:root:644", "f root:root:600"]
    return as_put and notes.get(name) == f"{digests.get(chain)} {digests.get(key)}"


def signing_requests(names: Iterable[str]) -> Part[dict[str, str]]:
    """The requests (PEM) that begin_script left for the local authority."""
    script = "\n".join(f"echo {quote('R ' + name)}; cat {STAGED}/{quote(name)}/request.pem" for name in sorted(names))
    return Part("certificates", script, _parse_requests)


def _parse_requests(lines: list[str]) -> dict[str, str]:
    requests: dict[str, str] = {}
    name = ""
    for line in lines:
        if line.startswith("R "):
            name = line[2:]
            requests[name] = ""
        else:
            requests[name] += line + "\n"
    if any(not request.rstrip().endswith("-----END CERTIFICATE REQUEST-----") for request in requests.values()):
        raise ValueError("a signing request is cut off")
    return requests
