#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand where a vault's own service does: greet on TCP port 1858 with the host's name."""

import socket
import socketserver


class Service(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(socket.gethostname().split(".")[0].encode() + b"\r\n")


class Server(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6
    allow_reuse_address = True


Server(("::", 1858), Service).serve_forever()
