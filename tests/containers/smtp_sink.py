"""An SMTP relay for tests: python3 smtp_sink.py CERTIFICATE KEY FOLDER. TLS from the first byte, AUTH PLAIN, nothing leaves it.

Every message becomes a file in FOLDER; what the sender gave to log in is its first line.
"""

import base64
import itertools
import socketserver
import ssl
import sys
from pathlib import Path

CERTIFICATE, KEY, FOLDER = sys.argv[1:]
PORT = 465
number = itertools.count()


class Session(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        login = "nobody"
        self.say("220 sink")
        for line in iter(self.rfile.readline, b""):
            verb, _, rest = line.decode().strip().partition(" ")
            if verb.upper() == "EHLO":
                self.say("250-sink", "250 AUTH PLAIN")
            elif verb.upper() == "AUTH":
                login = ":".join(base64.b64decode(rest.split()[-1]).decode().split("\0")[1:])
                self.say("235 in")
            elif verb.upper() == "DATA":
                self.say("354 go on")
                message = b"".join(iter(self.rfile.readline, b".\r\n"))
                Path(FOLDER, f"{next(number)}").write_bytes(login.encode() + b"\n" + message)
                self.say("250 taken")
            elif verb.upper() == "QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 fine")

    def say(self, *lines: str) -> None:
        self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(CERTIFICATE, KEY)
with Server(("", PORT), Session) as server:
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()
