#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""udp.py serve PORT: send every datagram back.  udp.py ask ADDRESS PORT: print `answered` or `silent`."""

import socket
import sys

if sys.argv[1] == "serve":
    server = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    server.bind(("::", int(sys.argv[2])))
    while True:
        server.sendto(*server.recvfrom(1000))

family = socket.AF_INET6 if ":" in sys.argv[2] else socket.AF_INET
client = socket.socket(family, socket.SOCK_DGRAM)
client.settimeout(1)
seen = "silent"
try:
    for _attempt in range(2):
        client.sendto(b"hello", (sys.argv[2], int(sys.argv[3])))
        try:
            client.recv(1000)
        except TimeoutError:
            continue
        seen = "answered"
        break
except OSError:
    pass
print(seen)
