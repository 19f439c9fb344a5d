"""A machine for computing: Kraken in /opt, work that gets its data sent and its results brought home."""
