# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes mail behind STARTTLS and forgets it; smtp-sink knows no TLS.

Run as: sink.py PORT CHAIN KEY. Two processes share the port.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import sys
from typing import cast

import uvloop

HELLO = b"250-sink\r\n250-PIPELINING\r\n250-SIZE 50000000\r\n250-8BITMIME\r\n250 STARTTLS\r\n"
REPLIES = {
    b"EHLO": HELLO, b"HELO": b"250 sink\r\n", b"MAIL": b"250 2.1.0 ok\r\n", b"RCPT": b"250 2.1.5 ok\r\n",
    b"RSET": b"250 2.0.0 ok\r\n", b"NOOP": b"250 2.0.0 ok\r\n", b"DATA": b"354 go on\r\n",
    b"QUIT": b"221 2.0.0 bye\r\n",
}  # fmt: skip
END = b"\r\n.\r\n"


class Sink(asyncio.Protocol):
    """One connection. Whatever is said in clear text is taken too: the bench decides who asks for TLS."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self._waiting = b""
        self._in_data = False
        self._upgrade: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its type
        if self._upgrade is None:
            transport.write(b"220 sink ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self._waiting += data
        answer = b""
        while self._waiting:
            if self._in_data:
                if not self._content_ended():
                    break
                answer += b"250 2.0.0 taken\r\n"
                continue
            line, end, rest = self._waiting.partition(b"\r\n")
            if not end:
                break
            self._waiting = rest
            verb = line[:4].upper()
            if verb == b"STAR":
                self._transport.write(b"220 2.0.0 go on\r\n")
                self._transport.pause_reading()
                self._upgrade = asyncio.get_running_loop().create_task(self._start_tls())
                return
            answer += REPLIES.get(verb, b"500 5.5.2 what\r\n")
            self._in_data = verb == b"DATA"
            if verb == b"QUIT":
                self._transport.write(answer)
                self._transport.close()
                return
        if answer:
            self._transport.write(answer)

    def _content_ended(self) -> bool:
        """Drop content up to its end; keep what could be the beginning of the end."""
        place = self._waiting.find(END)
        if place < 0:
            self._waiting = self._waiting[1 - len(END) :]
            return False
        self._waiting = self._waiting[place + len(END) :]
        self._in_data = False
        return True

    async def _start_tls(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            upgraded = await loop.start_tls(self._transport, self, self._context, server_side=True)
        except OSError:
            self._transport.abort()
            return
        assert upgraded is not None
        self._transport = upgraded


async def serve(port: int, context: ssl.SSLContext, parent: int | None) -> None:
    loop = asyncio.get_running_loop()
    if parent is not None:
        loop.add_reader(parent, sys.exit)
    server = await loop.create_server(lambda: Sink(context), "127.0.0.1", port, reuse_port=True, backlog=4096)
    await server.serve_forever()


def main() -> None:
    port, chain, key = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain, key)
    # Forked behind the context, both know the key of the other's session tickets.
    read, write = os.pipe()
    if os.fork():
        os.close(read)
        uvloop.run(serve(port, context, None))
    else:
        os.close(write)  # the parent's is closed by its end
        uvloop.run(serve(port, context, read))


if __name__ == "__main__":
    main()
