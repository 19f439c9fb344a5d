"""Of what a cloud offers, the one meant: a flavour by needs, an image by release, a network by name. Never a dated name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from recettes.cloud.actual import Flavor, Image, Network
from recettes.declarations.cloud import CloudImage, Needs

# Debian's releases as images are named after them.
_CODENAMES = {"13": "trixie"}
_OTHER_MACHINES = re.compile(r"arm64|aarch64|ppc64|riscv|s390", re.IGNORECASE)


class ChoiceError(Exception):
    """The cloud does not have it: a sentence."""


def choose_flavor(flavors: Sequence[Flavor], wanted: Needs | str, *, root: int, lasting: bool) -> Flavor:
    """By name or id, or the smallest that has what is needed.

    Of two of one size, a machine that lasts gets the one whose system lies on a volume; another the one with a disk of its own.
    """
    if isinstance(wanted, str):
        chosen = [flavor for flavor in flavors if wanted in (flavor.name, flavor.id)]
    else:
        fitting = [one for one in flavors if one.vcpus >= wanted.vcpus and one.memory >= wanted.memory * 1000]
        chosen = sorted(fitting, key=lambda one: (one.vcpus, one.memory, (one.disk >= root) == lasting, one.disk, one.name))
    if chosen:
        return chosen[0]
    called = f"called {wanted}" if isinstance(wanted, str) else f"with {wanted.vcpus} vCPU and {wanted.memory} GB"
    raise ChoiceError(f"the cloud has no flavour {called}; it has {_listed(flavor.name for flavor in flavors)}")


def choose_image(images: Iterable[Image], wanted: CloudImage) -> Image:
    """The newest that says it is of the distribution and release, or else the newest whose name says so."""
    images = [image for image in images if not image.snapshot and _usable(image)]
    words = (wanted.release, _CODENAMES[wanted.release])
    said = [one for one in images if one.distribution.lower() == wanted.distribution and _is_release(one.release, words)]
    named = [one for one in images if not one.release and _named(one.name, wanted.distribution, words)]
    if chosen := max(said or named, key=_age, default=None):
        return chosen
    raise ChoiceError(f"the cloud has no image of {wanted}; it has {_listed(image.name for image in images)}")


def choose_external(networks: Iterable[Network], wanted: str | None) -> Network:
    """By name or id, or the only one."""
    external = [network for network in networks if network.external]
    chosen = [network for network in external if wanted is None or wanted in (network.name, network.id)]
    if len(chosen) == 1:
        return chosen[0]
    names = _listed(network.name for network in external)
    if wanted is None and chosen:
        raise ChoiceError(f"the cloud has {len(chosen)} external networks, {names}: say which, Cloud(external=…)")
    how_many = "two external networks" if chosen else "no external network"
    raise ChoiceError(f"the cloud has {how_many}{f' called {wanted}' if wanted else ''}; it has {names}")


def choose_network(networks: Iterable[Network], wanted: str) -> Network:
    """The private network that exists already, by name or id."""
    private = [network for network in networks if not network.external]
    chosen = [network for network in private if wanted in (network.name, network.id)]
    if len(chosen) == 1:
        return chosen[0]
    how_many = "several networks" if chosen else "no network"
    raise ChoiceError(f"the project has {how_many} called {wanted}; it has {_listed(network.name for network in private)}")


def _age(image: Image) -> tuple[str, list[int]]:
    """Two of the same second are told apart by the numbers in their names."""
    return image.created, [int(number) for number in re.findall(r"[0-9]+", image.name)]


def _usable(image: Image) -> bool:
    return image.status == "active" and image.architecture in ("", "x86_64", "amd64") and not _OTHER_MACHINES.search(image.name)


def _is_release(said: str, words: Sequence[str]) -> bool:
    """ "13" is said by 13, 13.1, trixie and "13 (trixie)"."""
    return bool({*re.split(r"[^a-z0-9]+", said.lower())[:1]} & {*words}) or words[1] in said.lower()


def _named(name: str, distribution: str, words: Sequence[str]) -> bool:
    """Debian-13.1-x64-2026-02 is, debian-12-2013 is not: the release follows the distribution, whatever may stand between."""
    parts = re.split(r"[^a-z0-9]+", name.lower())
    return distribution in parts and (words[1] in parts or words[0] == _after(parts, distribution))


def _after(parts: Sequence[str], distribution: str) -> str:
    following = parts[parts.index(distribution) + 1 :]
    return next((part for part in following if part.isdigit()), "")


def _listed(names: Iterable[str]) -> str:
    found = sorted(set(names))
    return ", ".join(found[:20]) + (" …" if len(found) > 20 else "") if found else "none"
