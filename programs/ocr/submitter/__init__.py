"""Sends page images to be recognised on a cluster, through the gate of docs/ocr-protocol.md, and brings the results back.

Python 3.11 or later, standard library only, and OpenSSH's client.
"""
