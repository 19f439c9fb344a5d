"""Bringing about: one operation brings one subsystem to its wanted state."""
