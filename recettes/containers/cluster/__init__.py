"""Somebody else's cluster, in one container: real Slurm, real Kraken, sshd as on automation nodes, a plain account."""
