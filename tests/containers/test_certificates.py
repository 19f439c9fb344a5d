"""Certificates of the estate's own authority, and given ones, on a real machine with a real nginx."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from recettes.authority import Pair, make_authority, read_authority, renew_authority, self_signed, sign
from recettes.certificates import STORE, TLS
from recettes.containers.estate import temporary_estate
from recettes.containers.waiting import until
from recettes.secrets import Vault
from tests.containers.certified import Certified, wait

pytestmark = pytest.mark.containers
LOCAL = {"www": (("www.lab.test", "lab.test"), "'local'"), "blog": (("blog.lab.test",), "'local'")}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Certified]:
    with temporary_estate(["web"]) as estate:
        certified = Certified(estate, tmp_path_factory.mktemp("certified"))
        certified.prepare()
        yield certified


@pytest.fixture
def lab(made: Certified) -> Certified:
    """Every test starts from the same two sites, whatever the one before left."""
    made.declare(LOCAL)
    assert made.pyinfra("-y").status == 0
    return made


def authority(lab: Certified) -> Pair:
    pair = read_authority(Vault(lab.estate.folder))
    assert pair
    return pair


def test_a_bare_machine_gets_what_the_plan_said_and_browsers_with_the_authority_trust_it(made: Certified) -> None:
    made.declare(LOCAL)
    assert made.apply().certificates == [("certificates", "issue", "blog"), ("certificates", "issue", "www")]
    for host, words in (("www.lab.test", "this is www"), ("lab.test", "this is www"), ("blog.lab.test", "this is blog")):
        made.answers(host, words)
    assert "SSL" in made.get("blog.lab.test", authority=Path("/etc/ssl/certs/ca-certificates.crt"))
    made.settled()


def test_only_root_reads_the_keys_and_they_never_left_the_machine(lab: Certified) -> None:
    assert lab.web.run(f"stat -Lc '%U:%G %a' {TLS}/www/key.pem").out == "root:root 600\n"
    assert lab.web.run(f"runuser -u nobody -- cat {TLS}/www/key.pem", check=False).code != 0
    body = lab.web.run(f"sed -n 2p {TLS}/www/key.pem").out.strip()
    assert len(body) == 64
    here = [file for folder in (lab.estate.folder, lab.scratch) for file in folder.rglob("*") if file.is_file()]
    assert not [file for file in here if body.encode() in file.read_bytes()]


# By the site that suffers it; {site} is its folder.
DAMAGES = {
    "otherkey": "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out {site}/key.pem",
    "openkey": "chmod 644 {site}/key.pem",
    "strangerskey": "chown www-data {site}/key.pem",
    "nokey": "rm {site}/key.pem",
    "shortchain": "truncate -s 100 {site}/fullchain.pem",
    "emptychain": ": >{site}/fullchain.pem",
    "noisychain": "head -c 3000 /dev/urandom >{site}/fullchain.pem",
    "deadlink": "ln -sfn /nowhere {site}",
    "folder": "rm {site}; mkdir {site}; cp {tls}/www/*.pem {site}/",
    "nolink": "rm {site}",
}


def test_damage_is_named_by_the_plan_and_healed_by_the_run(lab: Certified) -> None:
    sites = {**LOCAL, **{name: ((f"{name}.lab.test",), "'local'") for name in DAMAGES}}
    lab.declare(sites)
    assert lab.pyinfra("-y").status == 0
    for name, damage in DAMAGES.items():
        lab.web.run(damage.format(tls=TLS, site=f"{TLS}/{name}"))
    assert [item for *_, item in lab.apply().certificates] == sorted(DAMAGES)
    for name in DAMAGES:
        assert lab.pair_matches(name), name
        lab.answers(f"{name}.lab.test", f"this is {name}")
    lab.settled()
    lab.web.run(f"rm -rf {TLS}")
    assert [item for *_, item in lab.apply().certificates] == sorted(sites)
    lab.settled()


def test_touching_files_and_a_reboot_are_no_damage(lab: Certified) -> None:
    lab.web.run(f"touch {TLS}/www/*.pem")
    lab.web.reboot()
    lab.settled()


def test_a_certificate_near_its_end_is_renewed_and_nginx_shows_the_new_one(lab: Certified) -> None:
    place = "/root/short"
    lab.web.run(
        f"mkdir -p {place}; openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -subj /CN=x "
        f"-keyout {place}/key.pem -out {place}/request.pem 2>&1"
    )
    request = lab.web.run(f"cat {place}/request.pem").out
    chain = sign(request, authority(lab), LOCAL["www"][0], 20)
    lab.web.run(f"cat >{place}/chain.pem <<'END'\n{chain}END")
    lab.web.run(f"/usr/local/lib/recettes/install-certificate www {place}/chain.pem {place}/key.pem; systemctl reload nginx")
    before = lab.shown("www.lab.test")
    outcome = lab.apply()
    assert outcome.certificates == [("certificates", "renew", "www")]
    assert outcome.reloads
    assert "the present one ends on" in outcome.output
    lab.shows_another("www.lab.test", before)
    lab.settled()


def test_other_host_names_get_another_certificate(lab: Certified) -> None:
    lab.declare({**LOCAL, "blog": (("blog.lab.test", "news.lab.test"), "'local'")})
    assert lab.apply().certificates == [("certificates", "renew", "blog")]
    lab.answers("news.lab.test", "this is blog")
    lab.settled()


def test_another_authority_signs_everything_anew(lab: Certified) -> None:
    renew_authority(Vault(lab.estate.folder))
    outcome = lab.apply()
    assert outcome.certificates == [("certificates", "renew", "blog"), ("certificates", "renew", "www")]
    lab.answers("www.lab.test", "this is www")
    lab.settled()


def test_a_dropped_site_loses_key_and_chain_and_the_others_keep_theirs(lab: Certified) -> None:
    before = lab.shown("www.lab.test")
    lab.declare({"www": LOCAL["www"]})
    assert lab.apply().certificates == [("certificates", "remove", "blog")]
    assert lab.web.run(f"ls -A {TLS}; ls {STORE} | wc -l").out.split() == ["www", "1"]
    assert lab.shown("www.lab.test") == before
    lab.settled()


def given(folder: Path, host: str) -> tuple[Pair, tuple[tuple[str, ...], str]]:
    """A pair in two files of the controller, and how it is declared."""
    pair = self_signed([host], 90)
    (folder / "chain.pem").write_text(pair.certificate)
    (folder / "key.pem").write_text(pair.key.reveal())
    return pair, ((host,), f"read_given([{host!r}], Path('{folder}/chain.pem'), Path('{folder}/key.pem'), now)")


def test_a_given_certificate_is_put_in_force_and_replaced_by_another(lab: Certified, tmp_path: Path) -> None:
    for _ in range(2):
        _, declared = given(tmp_path, "given.lab.test")
        lab.declare({**LOCAL, "given": declared})
        assert lab.apply().certificates == [("certificates", "install", "given")]
        lab.answers("given.lab.test", "this is given", authority=tmp_path / "chain.pem")
        lab.settled()


def test_no_private_key_is_in_what_a_run_says(lab: Certified, tmp_path: Path) -> None:
    pair, declared = given(tmp_path, "quiet.lab.test")
    lab.declare({**LOCAL, "quiet": declared})
    said = lab.pyinfra("--dry", "--diff", "-vvv").output + lab.pyinfra("-y", "--diff", "-vvv", "--debug").output
    assert "quiet" in said
    assert pair.key.reveal().splitlines()[1] not in said


def test_a_machine_that_cannot_say_what_it_has_is_left_alone(lab: Certified) -> None:
    before = lab.shown("www.lab.test")
    lab.web.run("mv /usr/bin/find /usr/bin/find.away; printf '#!/bin/sh\\nexit 7\\n' >/usr/bin/find; chmod +x /usr/bin/find")
    lab.declare({"www": (("www.lab.test",), "'local'")})
    try:
        outcome = lab.pyinfra("-y")
    finally:
        lab.web.run("mv /usr/bin/find.away /usr/bin/find")
    assert outcome.status != 0
    assert "Nothing was changed" in outcome.output
    assert outcome.certificates == []
    assert lab.shown("www.lab.test") == before


def test_a_full_disk_leaves_the_certificates_in_force(lab: Certified) -> None:
    before = lab.shown("www.lab.test")
    lab.declare({**LOCAL, "www": (("www.lab.test",), "'local'")})
    with lab.web.full_disk(STORE):
        assert lab.pyinfra("-y").status != 0
        assert lab.pair_matches("www")
        lab.web.run("systemctl restart nginx")
        assert lab.shown("www.lab.test") == before
    assert lab.pyinfra("-y").status == 0
    lab.settled()


def test_a_run_killed_anywhere_leaves_pairs_that_match_and_the_next_one_converges(lab: Certified) -> None:
    seed = random.randrange(1000)
    print(f"seed {seed}")
    chance = random.Random(seed)
    for turn in range(6):
        lab.declare({name: ((*hosts, f"again{turn}.{name}.test"), issuer) for name, (hosts, issuer) in LOCAL.items()})
        run, _ = lab.start("-y")
        wait(chance.uniform(0.5, 2.0))
        run.kill()
        run.communicate()
        for name in LOCAL:
            assert lab.pair_matches(name)
        # It reads chain and key one after the other, and what was sent already may exchange them in between.
        until(lambda: lab.web.run("nginx -t", check=False).code == 0, "nginx takes the pairs")
    assert lab.pyinfra("-y").status == 0
    lab.settled()
    assert lab.web.run(f"ls -A {STORE} | wc -l; ls -A {TLS}").out.split() == ["3", "blog", "www"]


def test_an_authority_that_is_not_the_estates_does_not_pass_for_it(lab: Certified, tmp_path: Path) -> None:
    other = make_authority("somebody else", 1)
    (tmp_path / "other.pem").write_text(other.certificate)
    assert "SSL" in lab.get("www.lab.test", authority=tmp_path / "other.pem")
