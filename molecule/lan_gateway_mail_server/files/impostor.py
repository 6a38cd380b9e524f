#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answer on port 2525 as a mail server would, under another name."""

import socket
import socketserver


class Impostor(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"220 impostor.test ESMTP\r\n")
        for line in self.rfile:
            verb = line.strip().upper()
            self.wfile.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 impostor.test\r\n")
            if verb == b"QUIT":
                return


class Server(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6
    allow_reuse_address = True
    daemon_threads = True


Server(("::", 2525), Impostor).serve_forever()
