"""The same state with pyinfra's own operations."""

from io import StringIO

from pyinfra.operations import apt, files, server, systemd

from bench.state.wanted import ACCOUNTS, FILES, PACKAGES, SERVICES

apt.packages(name="Packages", packages=PACKAGES)
for path, content in FILES.items():
    files.put(name=f"File {path}", src=StringIO(content), dest=path, user="root", group="root", mode="644")
for account in ACCOUNTS:
    server.user(name=f"Account {account}", user=account, home=f"/home/{account}", shell="/bin/bash")
for service in SERVICES:
    systemd.service(name=f"Service {service}", service=service, running=True, enabled=True)
