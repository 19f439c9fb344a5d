"""One service in one process, in the virtual environment of the control plane: python -m tests.cloud.control.service FOLDER NAME

nova and cinder run their conductor, scheduler, compute and volume services beside their API, as threads: messages between
them stay inside the process.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import threading
import time
import traceback
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.cloud.control import settings
from tests.cloud.control.place import HOST, Place, read_place

_kept: list[Any] = []  # services that run beside the application


def _keystone(place: Place) -> Any:
    from keystone.wsgi.api import application
    from oslo_context import context

    def anew(environ: Any, start_response: Any) -> Any:
        # What a request cached hangs on its thread, and the thread's next one would believe it: a role just given is not there.
        context._request_store.__dict__.clear()
        return application(environ, start_response)

    return anew


def _placement(place: Place) -> Any:
    from placement.wsgi.api import application

    return application


def _glance(place: Place) -> Any:
    from glance.wsgi.api import application

    return application


def _neutron(place: Place) -> Any:
    from neutron.wsgi.api import application

    return application


def _nova(place: Place) -> Any:
    from nova.wsgi.osapi_compute import application  # first: it reads the settings, and chooses real threads

    _answering(place, "keystone", "placement")  # compute enters its node there when it starts, and not again for a minute
    import nova.conf
    import os_brick
    import os_vif
    from nova import context, service, virt
    from nova.compute import rpcapi as compute
    from nova.conductor import rpcapi as conductor
    from nova.objects import host_mapping
    from nova.scheduler import rpcapi as scheduler
    from oslo_service import opts

    from tests.cloud.control.drivers import machines

    opts.register_service_opts(nova.conf.CONF)
    os_brick.setup(nova.conf.CONF)
    os_vif.initialize()
    virt.stand_in = sys.modules["nova.virt.stand_in"] = machines  # nova takes drivers from there and nowhere else
    for binary, topic, more in (
        ("nova-conductor", conductor.RPC_TOPIC, {}),
        ("nova-scheduler", scheduler.RPC_TOPIC, {}),
        ("nova-compute", compute.RPC_TOPIC, {"topic_alt": compute.RPC_TOPIC_ALT}),
    ):
        running = service.Service.create(binary=binary, topic=topic, **more)
        running.start()
        _kept.append(running)
    host_mapping.discover_hosts(context.get_admin_context())
    return application


def _cinder(place: Place) -> Any:
    from cinder import monkey_patch

    monkey_patch.patch()
    import os_brick
    from cinder import service
    from cinder.cmd import volume
    from cinder.wsgi.api import application
    from oslo_config import cfg

    os_brick.setup(cfg.CONF)
    cfg.CONF.register_opt(volume.host_opt, group=settings.BACKEND)
    for arguments in (
        {"binary": "cinder-scheduler"},
        {
            "binary": "cinder-volume",
            "host": f"{settings.NODE}@{settings.BACKEND}",
            "service_name": settings.BACKEND,
            "coordination": False,
        },
    ):
        running = service.Service.create(**arguments)
        running.start()
        _kept.append(running)
    return application


# Each gives the WSGI application of the service.
_APPLICATIONS = {
    "keystone": _keystone,
    "placement": _placement,
    "glance": _glance,
    "neutron": _neutron,
    "nova": _nova,
    "cinder": _cinder,
}


def run(place: Place, name: str) -> None:
    """Serve until told to end, or until nobody uses the control plane any more."""
    # The services' own handlers would finish what they are at; nothing here is worth waiting for.
    signal.signal(signal.SIGTERM, _end)
    sys.argv = [name, "--config-file", str(place.settings / "cinder.conf")] if name == "cinder" else [name]
    from tests.cloud.control.sqlite import lock_early

    lock_early()
    threading.Thread(target=_end_when_alone, args=(place,), daemon=True).start()
    try:
        application = _APPLICATIONS[name](place)
    except BaseException:  # threads that run already would keep the process alive
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    import waitress

    signal.signal(signal.SIGTERM, _end)  # some have put in their own
    waitress.serve(
        application,
        host=HOST,
        port=place.ports[name],
        threads=16,
        ident=None,
        channel_timeout=300,
        clear_untrusted_proxy_headers=False,
    )


def _end(*_: object) -> None:
    os._exit(0)


def _end_when_alone(place: Place) -> None:
    while True:
        time.sleep(2)
        with place.alive.open() as alive:
            try:
                fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            os._exit(0)


def _answering(place: Place, *services: str) -> None:
    for service in services:
        while True:
            try:
                with urllib.request.urlopen(place.base(service), timeout=10):
                    break
            except urllib.error.HTTPError:
                break
            except OSError:
                time.sleep(0.1)


if __name__ == "__main__":
    run(read_place(Path(sys.argv[1])), sys.argv[2])
