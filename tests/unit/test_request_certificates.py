"""The program on the machine that asks for certificates: what it makes of certbot's words."""

from __future__ import annotations

from types import ModuleType

import pytest

from tests.programs import program as loaded


@pytest.fixture(scope="module")
def program() -> ModuleType:
    return loaded("request-certificates")


REFUSED = """\
Saving debug log to /var/log/letsencrypt/letsencrypt.log
Requesting a certificate for www.lab.test and lab.test

Certbot failed to authenticate some domains (authenticator: webroot). The Certificate Authority reported these problems:
  Domain: lab.test
  Type:   dns
  Detail: DNS problem: NXDOMAIN looking up A for lab.test - check that a DNS record exists for this domain

  Domain: www.lab.test
  Type:   unauthorized
  Detail: 192.0.2.7: Invalid response from http://www.lab.test/.well-known/acme-challenge/x: 404

Hint: The Certificate Authority failed to download the temporary challenge files created by Certbot.

Some challenges have failed.
Ask for help or search for solutions at https://community.letsencrypt.org.
"""
LIMITED = """\
Saving debug log to /var/log/letsencrypt/letsencrypt.log
An unexpected error occurred:
Error creating new order :: too many certificates (5) already issued for this exact set of domains, retry after 2026-01-02
Ask for help or search for solutions at https://community.letsencrypt.org.
"""


def test_each_refused_domain_is_told_with_what_to_do(program: ModuleType) -> None:
    said = program.told(REFUSED)
    assert "lab.test: DNS problem: NXDOMAIN" in said
    assert "www.lab.test: 192.0.2.7: Invalid response" in said
    assert "have to point to this machine." in said
    assert "and to no other." in said


def test_a_rate_limit_is_told_with_the_time_that_the_server_names(program: ModuleType) -> None:
    said = program.told(LIMITED)
    assert "retry after 2026-01-02" in said
    assert "make it worse" in said


@pytest.mark.parametrize(
    ("output", "told"), [("", "certbot said nothing"), ("An unexpected error occurred:", "An unexpected error")]
)
def test_what_certbot_says_otherwise_is_passed_on_with_the_place_of_its_log(program: ModuleType, output: str, told: str) -> None:
    assert program.told(output).startswith(told)
    assert "letsencrypt.log" in program.told(output)
