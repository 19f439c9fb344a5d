"""Test machines: Debian 13 containers with real systemd and sshd, on this computer. Needs Linux and a Docker engine."""
