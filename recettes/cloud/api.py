"""Calls to a cloud's services, over openstacksdk's configuration and session; what goes wrong becomes a sentence.

A call is a plain one, without microversion, or says one that is in Train: what is used here is there in all releases since.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Mapping
from typing import Any

import requests
from keystoneauth1 import exceptions as keystone
from keystoneauth1.adapter import Adapter
from keystoneauth1.identity.base import BaseIdentityPlugin
from openstack import exceptions as sdk
from openstack.config import OpenStackConfig

COMPUTE, NETWORK, VOLUMES, IMAGES = "compute", "network", "block-storage", "image"
# The major version of each service's API.
_VERSIONS = {COMPUTE: "2", NETWORK: "2", VOLUMES: "3", IMAGES: "2"}
_CALL_SECONDS = 60.0  # clouds.yaml may say another api_timeout
_TRIES = 4
_PAUSE = 0.5  # seconds, doubled after each try
_LONGEST_PAUSE = 20.0
_QUOTA_WORDS = ("quota", "exceeds allowed", "maximum number of")


class CloudError(Exception):
    """What the cloud did not do, a sentence. `status` is HTTP's, 0 where there was no answer."""

    def __init__(self, sentence: str, status: int = 0) -> None:
        super().__init__(sentence)
        self.status = status

    @property
    def doubtful(self) -> bool:
        """Whether it may have been done all the same."""
        return self.status == 0 or self.status >= 500


class Api:
    """The services of one entry of clouds.yaml, as its application credential or user may use them."""

    def __init__(self, cloud: str) -> None:
        """Raises CloudError; asks nothing yet."""
        self.cloud = cloud
        try:
            region = OpenStackConfig().get_one(cloud=cloud)
            session = region.get_session()
        except (sdk.ConfigException, keystone.ClientException, OSError) as error:
            raise CloudError(f"clouds.yaml: {_first_line(error)}") from None
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise CloudError(f"clouds.yaml: the entry {cloud} cannot be understood ({type(error).__name__})") from None
        session.timeout = float(region.config.get("api_timeout") or _CALL_SECONDS)
        self._session = session
        self._renewing = threading.Lock()
        self._clients = {name: _client(region, session, name) for name in _VERSIONS}

    def project(self) -> str:
        """The id of the project; this is the first call, so it tells whether the credentials are good."""
        try:
            return str(self._session.get_project_id() or "")
        except keystone.ClientException as error:
            raise self._failure("signing in", error) from None
        except (requests.RequestException, OSError) as error:
            raise self._failure("signing in", error) from None

    def get(self, service: str, path: str) -> Any:
        return self._call(service, "GET", path, None, again=True)

    def all(self, service: str, path: str, key: str) -> list[dict[str, Any]]:
        """A listing, page after page."""
        found: list[dict[str, Any]] = []
        following: str | None = path
        while following:
            page = self.get(service, following)
            found += page[key]
            following = _next(page, key)
        return found

    def post(self, service: str, path: str, body: Mapping[str, Any], *, again: bool = False, version: str = "") -> Any:
        """Only with `again` tried again where it may have been done: see CloudError.doubtful.

        `version` is a microversion, one that Train has.
        """
        return self._call(service, "POST", path, body, again=again, version=version)

    def put(self, service: str, path: str, body: Mapping[str, Any]) -> Any:
        return self._call(service, "PUT", path, body, again=True)

    def delete(self, service: str, path: str) -> None:
        """What is gone already is gone."""
        try:
            self._call(service, "DELETE", path, None, again=True)
        except CloudError as error:
            if error.status != 404:
                raise

    def _call(
        self, service: str, method: str, path: str, body: Mapping[str, Any] | None, *, again: bool, version: str = ""
    ) -> Any:
        what = f"{method} {path.partition('?')[0]} of {service}"
        options: dict[str, Any] = {"allow_reauth": False} if body is None else {"allow_reauth": False, "json": body}
        if version:
            options["microversion"] = version
        for attempt in range(_TRIES):
            last = attempt == _TRIES - 1
            try:
                answer = self._clients[service].request(path, method, raise_exc=False, **options)
                if answer.status_code == 401 and self._renew(answer.request.headers.get("X-Auth-Token", "")):
                    answer = self._clients[service].request(path, method, raise_exc=False, **options)
            except (keystone.ClientException, requests.RequestException, OSError) as error:
                failure = self._failure(what, error)
                if last or not again or failure.status in (401, 403):
                    raise failure from None
                time.sleep(_PAUSE * 2**attempt)
                continue
            if answer.status_code < 400:
                return answer.json() if answer.content else None
            failure = self._refusal(what, answer)
            if last or not (answer.status_code == 429 or (again and answer.status_code >= 500)):
                raise failure
            time.sleep(_pause(answer, attempt))
        raise AssertionError("unreachable")

    def _renew(self, refused: str) -> bool:
        """A token that ended before its time is replaced once, whichever call hears of it first. False: it cannot be.

        keystoneauth's own way is not for several threads: while one has forgotten the token, another gives up.
        """
        plugin = self._session.auth
        if not isinstance(plugin, BaseIdentityPlugin):
            return False
        with self._renewing:
            if plugin.get_token(self._session) == refused:
                plugin.auth_ref = plugin.get_auth_ref(self._session)
        return True

    def _refusal(self, what: str, answer: requests.Response) -> CloudError:
        said = _message(answer)
        status = answer.status_code
        if status == 401:
            return CloudError(f"the cloud {self.cloud} does not take the credentials of clouds.yaml: {said}", status)
        if any(word in said.lower() for word in _QUOTA_WORDS):
            return CloudError(f"the project's quota does not allow it: {said}", status)
        if status == 403:
            return CloudError(f"the credentials may not do this ({what}): {said}", status)
        return CloudError(f"{what}: the cloud answered {status}: {said}", status)

    def _failure(self, what: str, error: Exception) -> CloudError:
        status = int(getattr(error, "http_status", 0) or 0)
        if isinstance(error, keystone.Unauthorized) or status == 401:
            return CloudError(
                f"the cloud {self.cloud} does not take the credentials of clouds.yaml: they are wrong, or ended", 401
            )
        if isinstance(error, keystone.ConnectTimeout | requests.Timeout):
            return CloudError(f"{what}: the cloud did not answer in {self._session.timeout:.0f} seconds")
        if isinstance(error, keystone.EndpointNotFound | keystone.CatalogException):
            return CloudError(f"{what}: the cloud {self.cloud} offers no such service: {_first_line(error)}", 404)
        return CloudError(f"{what}: {_first_line(error)}", status)


def _client(region: Any, session: Any, service: str) -> Adapter:
    version = _VERSIONS[service]
    return Adapter(
        session,
        service_type=service,
        interface=region.get_interface(service),
        region_name=region.get_region_name(service),
        endpoint_override=region.get_endpoint(service),
        min_version=version,
        max_version=f"{version}.latest",
    )


def chosen_cloud() -> str:
    """OS_CLOUD. Raises CloudError."""
    if cloud := os.environ.get("OS_CLOUD"):
        return cloud
    raise CloudError("OS_CLOUD is not set: it names the entry of clouds.yaml")


def _next(page: Mapping[str, Any], key: str) -> str | None:
    """The address of the page that follows: Glance says `next`, the others a list of links."""
    links = page.get(f"{key}_links") or ()
    following = page.get("next") or next((link["href"] for link in links if link.get("rel") == "next"), None)
    return str(following).removeprefix("/v2") if following and str(following).startswith("/v2/") else following


def _pause(answer: requests.Response, attempt: int) -> float:
    """Seconds, as the cloud asks for."""
    asked = answer.headers.get("Retry-After", "")
    return min(float(asked), _LONGEST_PAUSE) if asked.isdigit() else _PAUSE * 2**attempt


def _message(answer: requests.Response) -> str:
    """The cloud's own words: each service wraps them in another way."""
    try:
        content = answer.json()
    except (json.JSONDecodeError, requests.JSONDecodeError):
        return answer.reason or "without a word"
    inner = next((part for part in content.values() if isinstance(part, dict)), content) if isinstance(content, dict) else {}
    said = inner.get("message") or inner.get("title") or answer.reason or "without a word"
    return " ".join(str(said).split())[:300]


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
