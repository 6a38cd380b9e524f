# SPDX-License-Identifier: GPL-3.0-or-later
"""Accept connections on the TCP ports given as arguments, on every address, and close them."""

import selectors
import socket
import sys

selector = selectors.DefaultSelector()
for family, host in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
    for port in sys.argv[1:]:
        listener = socket.socket(family)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, int(port)))
        listener.listen(512)
        listener.setblocking(False)
        selector.register(listener, selectors.EVENT_READ)
print("listening", flush=True)
while True:
    for key, _events in selector.select():
        try:
            key.fileobj.accept()[0].close()
        except OSError:
            continue
