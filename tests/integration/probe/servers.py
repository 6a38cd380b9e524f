# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that behave in one way each, on every address. Argument: JSON {port: {kind, cert, ...}}."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import sys
from typing import Any


def context(cert: str, **_: Any) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(cert)
    return made


async def smtp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, how: dict[str, Any]) -> None:
    """A server of SMTP: name, wait (seconds before the greeting), early (a first line before that), offers, answer."""
    name = how.get("name", "mail.corp.test")
    if how.get("early"):
        writer.write(f"220-{name} wait\r\n".encode())
    await asyncio.sleep(how.get("wait", 0))
    writer.write(how.get("greeting", f"220 {name} ESMTP ready").encode() + b"\r\n")
    while line := await reader.readline():
        verb = line.strip().upper().split(b" ")[0]
        if verb == b"EHLO":
            offers = how.get("offers", ["PIPELINING", "STARTTLS"])
            replies = [name, *offers]
            for index, text in enumerate(replies):
                writer.write(f"250{'-' if index < len(replies) - 1 else ' '}{text}\r\n".encode())
        elif verb == b"STARTTLS":
            writer.write(how.get("answer", "220 go ahead").encode() + b"\r\n")
            await writer.drain()
            if how.get("answer"):
                continue
            if how.get("junk"):
                writer.write(b"\x00\x01 this is no TLS\r\n" * 4)
                return
            await writer.start_tls(context(**how))
        elif verb == b"QUIT":
            writer.write(b"221 bye\r\n")
            return
        else:
            writer.write(b"500 no\r\n")


async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, how: dict[str, Any]) -> None:
    """Say one thing, then listen until the client leaves."""
    writer.write(how.get("words", "").encode())
    while await reader.read(100):
        pass


async def drip(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter, how: dict[str, Any]) -> None:
    """An octet now and then, never a line."""
    writer.write(b"220-")
    while True:
        await asyncio.sleep(0.5)
        writer.write(b"x")
        await writer.drain()


async def flood(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter, how: dict[str, Any]) -> None:
    """A greeting without end."""
    while True:
        writer.write(b"220-" + b"x" * 500 + b"\r\n")
        await writer.drain()


async def hang_up(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter, _how: dict[str, Any]) -> None:
    """Close at once."""


async def implicit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, how: dict[str, Any]) -> None:
    await smtp(reader, writer, how)


KINDS = {"smtp": smtp, "say": say, "drip": drip, "flood": flood, "hang_up": hang_up, "implicit": implicit}


async def main() -> None:
    for port, how in json.loads(sys.argv[1]).items():

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, how: dict[str, Any] = how) -> None:
            with contextlib.suppress(OSError, ssl.SSLError):
                await KINDS[how["kind"]](reader, writer, how)
                await writer.drain()
            writer.close()

        tls = context(**how) if how["kind"] == "implicit" else None
        for host in ("0.0.0.0", "::"):
            await asyncio.start_server(serve, host, int(port), ssl=tls, backlog=1024)
    print("listening", flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
