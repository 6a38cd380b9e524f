# SPDX-License-Identifier: GPL-3.0-or-later
"""Sends mail in parallel sessions and measures each message; knows STARTTLS, which smtp-source does not.

Each session is a process with a blocking socket, so that neither an event loop nor the interpreter's lock is between
the peer and the clock. One line of JSON on stdout; exit 1 and a reason on stderr when a message was not accepted.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import ssl
import sys
import time
from array import array
from dataclasses import dataclass, replace

TIMEOUT = 30.0


@dataclass(frozen=True)
class Job:
    """What every session does; with *ticket* every connection resumes that TLS session.

    *prompt* means that no acknowledgement is delayed (tcp(7), TCP_QUICKACK, which holds only for a while).
    """

    port: int
    messages: int
    kept: bool
    content: bytes
    recipient: bytes
    context: ssl.SSLContext | None
    prompt: bool = False
    ticket: ssl.SSLSession | None = None


class Refused(Exception):
    """The server's reply was not the one that a mail that goes through gets."""


class Connection:
    """One connection in lockstep: a command, then its reply."""

    def __init__(self, job: Job) -> None:
        self._socket = socket.create_connection(("127.0.0.1", job.port), TIMEOUT)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._prompt = job.prompt
        self._expect(b"220")
        self.ask(b"EHLO client.bench.example\r\n", b"250")
        self.reused = False
        if job.context:
            self.ask(b"STARTTLS\r\n", b"220")
            self._socket = job.context.wrap_socket(self._socket, server_hostname="localhost", session=job.ticket)
            self.reused = bool(self._socket.session_reused)
            self.ask(b"EHLO client.bench.example\r\n", b"250")

    def _expect(self, code: bytes) -> None:
        reply = b""
        while True:
            if self._prompt:
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            piece = self._socket.recv(4096)
            reply += piece
            if not piece:
                raise Refused(f"connection closed after {reply!r}")
            if reply.endswith(b"\r\n"):
                last = reply[reply.rfind(b"\n", 0, -1) + 1 :]
                if last[3:4] != b"-":
                    break
        if not last.startswith(code):
            raise Refused(reply.decode("ascii", "replace").strip())

    def ask(self, command: bytes, code: bytes) -> None:
        self._socket.sendall(command)
        self._expect(code)

    def session(self) -> ssl.SSLSession | None:
        return self._socket.session if isinstance(self._socket, ssl.SSLSocket) else None

    def send(self, job: Job) -> None:
        self.ask(b"MAIL FROM:<a@bench.example>\r\n", b"250")
        self.ask(b"RCPT TO:<" + job.recipient + b">\r\n", b"250")
        self.ask(b"DATA\r\n", b"354")
        self.ask(job.content, b"250")

    def quit(self) -> None:
        self.ask(b"QUIT\r\n", b"221")
        self._socket.close()


def message(octets: int) -> bytes:
    """Return a message of about that many octets as it goes over the wire, its end included."""
    head = b"From: <a@bench.example>\r\nTo: <b@bench.example>\r\nSubject: load\r\nMessage-ID: <1@bench.example>\r\n\r\n"
    line = b"X" * 78 + b"\r\n"
    body = line * max((octets - len(head)) // len(line), 1)
    return head + body + b".\r\n"


def perform(job: Job) -> tuple[array[float], int]:
    """Send this session's messages; return the seconds that each took, and how many handshakes were resumed.

    A message begins with its connection when each has its own, otherwise with MAIL; it ends with the server's reply
    to its content.
    """
    taken, resumed = array("d"), 0
    connection: Connection | None = None
    for _number in range(job.messages):
        began = time.perf_counter()
        if connection is None:
            connection = Connection(job)
            resumed += connection.reused
            if job.kept:
                began = time.perf_counter()
        connection.send(job)
        taken.append(time.perf_counter() - began)
        if not job.kept:
            connection.quit()
            connection = None
    if connection is not None:
        connection.quit()
    return taken, resumed


def acquainted(job: Job, resume: bool) -> Job:
    """Make one connection before any session is forked, and return the job with its TLS session when *resume* is set.

    What OpenSSL loads with the first handshake of a process is then there for all of them: without it, with many
    sessions of few messages each, that would be what is measured.
    """
    first = Connection(job)
    ticket = first.session()
    first.quit()
    return replace(job, ticket=ticket) if resume else job


def session(job: Job, start: int, report: int) -> None:
    """Wait for the start, perform, and write the report; the body of a child process."""
    os.read(start, 1)
    try:
        taken, resumed = perform(job)
    except (OSError, Refused) as error:
        answer = b"E" + f"{type(error).__name__}: {error}".encode()
    else:
        answer = b"T" + resumed.to_bytes(4, "big") + taken.tobytes()
    with os.fdopen(report, "wb") as stream:
        stream.write(answer)


def run(job: Job, sessions: int) -> tuple[list[bytes], float]:
    """Return the sessions' answers, and the seconds from the common start to the last answer."""
    start_read, start_write = os.pipe()
    reports, children = [], []
    for _number in range(sessions):
        report_read, report_write = os.pipe()
        child = os.fork()
        if not child:
            try:
                os.close(start_write)
                session(job, start_read, report_write)
            finally:
                os._exit(0)  # what went wrong, or that nothing came, is in the report
        os.close(report_write)
        reports.append(report_read)
        children.append(child)
    began = time.perf_counter()
    os.close(start_write)
    answers = []
    for report in reports:
        with os.fdopen(report, "rb") as stream:
            answers.append(stream.read())
    seconds = time.perf_counter() - began
    for child in children:
        os.waitpid(child, 0)
    return answers, seconds


def percentile(ordered: list[float], part: float) -> float:
    """Return the value that *part* of the ordered values do not exceed (the nearest rank)."""
    return ordered[max(0, -int(-len(ordered) * part // 1) - 1)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("port", "sessions", "messages", "octets"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--recipient", required=True)
    parser.add_argument("--kept", action="store_true")
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--prompt", action="store_true")
    parser.add_argument("--ca")
    options = parser.parse_args()
    job = Job(
        port=options.port,
        messages=options.messages // options.sessions,
        kept=options.kept,
        content=message(options.octets),
        recipient=options.recipient.encode(),
        context=ssl.create_default_context(cafile=options.ca) if options.tls else None,
        prompt=options.prompt,
    )
    if options.tls:
        try:
            job = acquainted(job, options.resume)
        except (OSError, Refused) as error:
            print(f"the first connection failed: {error}", file=sys.stderr)
            return 1
    before = time.process_time()
    answers, seconds = run(job, options.sessions)
    problems = [answer[1:].decode() or "a session ended without a word" for answer in answers if answer[:1] != b"T"]
    if problems:
        print(f"{len(problems)} of {options.sessions} sessions failed: {problems[0]}", file=sys.stderr)
        return 1
    taken, resumed = array("d"), 0
    for answer in answers:
        resumed += int.from_bytes(answer[1:5], "big")
        taken.frombytes(answer[5:])
    ordered = sorted(taken)
    found = {
        "before": before,
        "seconds": seconds,
        "p50": 1000 * percentile(ordered, 0.5),
        "p99": 1000 * percentile(ordered, 0.99),
    }
    print(json.dumps({**found, "messages": len(ordered), "resumed": resumed / len(ordered)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
