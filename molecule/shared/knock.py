#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Knock at addresses with plain sockets and print what was seen, as JSON.

usage: knock.py ADDRESS,PORT ...     prints [[ADDRESS, PORT, SEEN], ...]

SEEN is `refused`, `silent`, the name of another errno, or the first line that the server said; port 465 is
greeted inside TLS. Shares no code with the modules under test.
"""

import concurrent.futures
import errno
import json
import socket
import ssl
import sys


def knock(address, port):
    try:
        with socket.create_connection((address, port), timeout=3) as connection:
            connection.settimeout(10)
            if port == 465:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
                connection = context.wrap_socket(connection)
            return connection.recv(512).decode("ascii", "replace").splitlines()[0]
    except ConnectionRefusedError:
        return "refused"
    except (socket.timeout, TimeoutError):
        return "silent"
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))


targets = [(word.rsplit(",", 1)[0], int(word.rsplit(",", 1)[1])) for word in sys.argv[1:]]
with concurrent.futures.ThreadPoolExecutor(32) as pool:
    seen = list(pool.map(lambda target: knock(*target), targets))
print(json.dumps([[address, port, what] for (address, port), what in zip(targets, seen)]))
