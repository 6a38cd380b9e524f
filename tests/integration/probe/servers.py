# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that behave in one way each, on every address. Argument: JSON {port: {kind, cert, ...}}."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import socket
import ssl
import struct
import sys
from pathlib import Path
from typing import Any


def context(
    cert: str, clients: str = "", ask: str = "", newest: str = "", ciphers: str = "", **_: Any
) -> ssl.SSLContext:
    """*clients*: whose client certificates are asked for; *ask*: how (ssl.VerifyMode); *newest*: a version of TLS."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(cert)
    if clients:
        made.load_verify_locations(clients)
        made.verify_mode = ssl.VerifyMode[ask]
    if newest:
        made.minimum_version = ssl.TLSVersion.TLSv1
        made.maximum_version = ssl.TLSVersion[newest]
    if ciphers:
        made.set_ciphers(ciphers)
    return made


async def smtp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, how: dict[str, Any]) -> None:
    """A server of SMTP.

    name, wait (seconds before the greeting), early (a first line before that), greeting, offers, inside (offers inside
    TLS), answer (to STARTTLS), users (passwords), echo (repeat what AUTH sent), mail, rcpt, stall (a verb that gets no
    answer), log (a file for what was heard), ehlo (the whole answer), leave (hang up once STARTTLS is answered: "close"
    or "reset").
    """
    name = how.get("name", "mail.corp.test")
    inside = how["kind"] == "implicit"

    def note(text: str) -> None:
        if how.get("log"):
            with Path(how["log"]).open("a") as log:
                log.write(f"{'tls ' if inside else ''}{text}\n")

    if how.get("early"):
        writer.write(f"220-{name} wait\r\n".encode())
    await asyncio.sleep(how.get("wait", 0))
    writer.write(how.get("greeting", f"220 {name} ESMTP ready").encode() + b"\r\n")
    while line := await reader.readline():
        verb = line.strip().upper().split(b" ")[0]
        note(line.decode("latin-1").strip())
        if verb == how.get("stall", "").encode():
            continue
        if verb == b"EHLO" and how.get("ehlo"):
            writer.write(how["ehlo"].encode() + b"\r\n")
        elif verb == b"EHLO":
            offers = how.get("offers", ["PIPELINING", "STARTTLS"])
            replies = [name, *(how.get("inside", offers) if inside else offers)]
            for index, text in enumerate(replies):
                writer.write(f"250{'-' if index < len(replies) - 1 else ' '}{text}\r\n".encode())
        elif verb == b"STARTTLS":
            writer.write(how.get("answer", "220 go ahead").encode() + b"\r\n")
            await writer.drain()
            if how.get("answer"):
                continue
            if how.get("leave"):
                await asyncio.sleep(0.2)
                if how["leave"] == "reset":
                    await reset(reader, writer, how)
                return
            if how.get("junk"):
                writer.write(b"\x00\x01 this is no TLS\r\n" * 4)
                return
            await writer.start_tls(context(**how))
            inside = True
        elif verb == b"AUTH":
            await auth(reader, writer, how, line.decode().split()[1:])
        elif verb == b"MAIL":
            writer.write(how.get("mail", "250 2.1.0 sender ok").encode() + b"\r\n")
        elif verb == b"RCPT":
            writer.write(how.get("rcpt", "250 2.1.5 recipient ok").encode() + b"\r\n")
        elif verb == b"RSET":
            writer.write(b"250 2.0.0 forgotten\r\n")
        elif verb == b"QUIT":
            writer.write(b"221 bye\r\n")
            return
        else:
            writer.write(b"500 no\r\n")


async def auth(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, how: dict[str, Any], words: list[str]
) -> None:
    """AUTH PLAIN and LOGIN (RFC 4954)."""

    async def ask(prompt: str) -> str:
        writer.write(f"334 {prompt}\r\n".encode())
        return (await reader.readline()).decode().strip()

    if words[0] == "PLAIN":
        said = [words[1] if len(words) > 1 else await ask("")]
        _, user, password = base64.b64decode(said[0]).decode().split("\0")
    else:
        said = [await ask("VXNlcm5hbWU6"), await ask("UGFzc3dvcmQ6")]
        user, password = (base64.b64decode(part).decode() for part in said)
    if how.get("endless") and await ask("bW9yZQ==") == "*":
        writer.write(b"501 5.7.0 cancelled\r\n")
    elif how["users"].get(user) == password:
        writer.write(b"235 2.7.0 welcome\r\n")
    else:
        heard = f" {user} {password} {' '.join(said)}" if how.get("echo") else ""
        writer.write(f"{how.get('denial', '535 5.7.8 credentials invalid')}{heard}\r\n".encode())


async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, how: dict[str, Any]) -> None:
    """Say one thing, or octet by octet with *pause* seconds between them, then listen until the client leaves."""
    words = how.get("words", "").encode("latin-1")
    step = 1 if how.get("pause") else max(len(words), 1)
    for at in range(0, len(words), step):
        writer.write(words[at : at + step])
        await writer.drain()
        await asyncio.sleep(how.get("pause", 0))
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


async def wide(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter, how: dict[str, Any]) -> None:
    """Megabytes, and never the end of a line."""
    writer.write(b"220 ")
    while True:
        writer.write(b"x" * 65536)
        await writer.drain()


async def hang_up(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter, _how: dict[str, Any]) -> None:
    """Close at once."""


async def blocking(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter, how: dict[str, Any]) -> None:
    """STARTTLS as most servers do it, on a plain socket: asyncio sends no alert when a handshake fails."""
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    ours = socket.socket(fileno=os.dup(writer.get_extra_info("socket").fileno()))
    await asyncio.get_running_loop().run_in_executor(None, talk, ours, how)


def talk(plain: socket.socket, how: dict[str, Any]) -> None:
    plain.settimeout(10)
    plain.sendall(b"220 mail.corp.test ESMTP\r\n")
    plain.recv(1000)
    plain.sendall(b"250-mail.corp.test\r\n250 STARTTLS\r\n")
    plain.recv(1000)
    plain.sendall(b"220 go ahead\r\n")
    try:
        with context(**how).wrap_socket(plain, server_side=True) as inside:
            inside.recv(1000)
            inside.sendall(b"221 bye\r\n")
    finally:
        plain.close()


async def reset(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _how: dict[str, Any]) -> None:
    """Close at once with a TCP reset."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def implicit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, how: dict[str, Any]) -> None:
    await smtp(reader, writer, how)


KINDS = {
    "smtp": smtp,
    "say": say,
    "drip": drip,
    "flood": flood,
    "wide": wide,
    "hang_up": hang_up,
    "reset": reset,
    "blocking": blocking,
    "implicit": implicit,
}


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
