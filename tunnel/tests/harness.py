# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the end-to-end tests stand on: certificates, next hops, a raw client, the service as a process."""

from __future__ import annotations

import contextlib
import copy
import importlib.util
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

# The service that the tests start is the package that they import: the source, or a wheel unpacked elsewhere.
_IMPORTED = importlib.util.find_spec("alertpath_tunnel")
SOURCE = Path(_IMPORTED.origin).parents[1] if _IMPORTED and _IMPORTED.origin else Path(__file__).parents[1] / "src"
NAME = "localhost"


class Pki:
    """A CA and one certificate for localhost, as files and as contexts."""

    def __init__(self, folder: Path, *names: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.ca = folder / "ca.pem"
        self.chain = folder / "chain.pem"
        self.key = folder / "server.key"
        authority = trustme.CA()
        leaf = authority.issue_cert(*(names or (NAME, "127.0.0.1", "::1")))
        authority.cert_pem.write_to_path(str(self.ca))
        self.chain.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
        self.key.write_bytes(leaf.private_key_pem.bytes())
        self.key.chmod(0o600)

    def server(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.chain, self.key)
        return context

    def client(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.ca))


def free_port(host: str = "127.0.0.1") -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


@dataclass
class Mailbox:
    """An independent next hop (aiosmtpd), which keeps what it accepted."""

    pki: Pki
    mode: str = "none"
    credentials: tuple[str, str] | None = None
    messages: list[tuple[str, list[str], bytes]] = field(default_factory=list)
    port: int = 0

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.messages.append((envelope.mail_from or "", list(envelope.rcpt_tos), envelope.original_content or b""))
        return f"250 2.0.0 kept as {len(self.messages)}"

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        # Not handled: a refusal is for the server to say.
        return AuthResult(success=(data.login.decode(), data.password.decode()) == self.credentials, handled=False)

    def _knock(self) -> None:
        with socket.create_connection(("127.0.0.1", self.port), 5) as raw:
            self.pki.client().wrap_socket(raw, server_hostname=NAME).close()

    @contextlib.contextmanager
    def running(self) -> Iterator[Mailbox]:
        self.port = free_port()
        options: dict[str, object] = {"data_size_limit": 50_000_000, "enable_SMTPUTF8": True, "ident": "mailbox"}
        if self.credentials:
            options |= {"authenticator": self.authenticate, "auth_required": True, "auth_require_tls": False}
        if self.mode == "starttls":
            options |= {"tls_context": self.pki.server(), "require_starttls": True}
        controller = Controller(
            self,
            hostname="127.0.0.1",
            port=self.port,
            ssl_context=self.pki.server() if self.mode == "implicit" else None,
            **options,  # type: ignore[arg-type]
        )
        if self.mode == "implicit":
            # The controller knocks with a context of the server's kind to see whether it is up.
            controller._trigger_server = self._knock  # type: ignore[method-assign]
        controller.start()
        try:
            yield self
        finally:
            controller.stop()


class ScriptedHop:
    """A next hop that answers by a script: command word -> reply.

    CLOSE closes, SILENT never answers, SLOW before a reply delays it; "." is the end of data.
    The transcript of every connection is in `seen`, what came of a message that never ended in `broken`.
    """

    CLOSE = b"\0close"
    SILENT = b"\0silent"
    SLOW = b"\0slow"
    DEFAULT: ClassVar[dict[str, bytes]] = {
        "": b"220 hop ESMTP\r\n",
        "EHLO": b"250-hop\r\n250-PIPELINING\r\n250-SIZE 50000000\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n"
        b"250 ENHANCEDSTATUSCODES\r\n",
        "MAIL": b"250 2.1.0 sender ok\r\n",
        "RCPT": b"250 2.1.5 recipient ok\r\n",
        "DATA": b"354 go\r\n",
        ".": b"250 2.0.0 queued as 1\r\n",
        "RSET": b"250 2.0.0 reset\r\n",
        "QUIT": b"221 2.0.0 bye\r\n",
    }

    def __init__(self, **script: bytes) -> None:
        self.script = {
            **self.DEFAULT,
            **{("." if key == "END" else "" if key == "GREET" else key): value for key, value in script.items()},
        }
        self.seen: list[list[bytes]] = []
        self.messages: list[bytes] = []
        self.begun = bytearray()  # of the message that comes in now
        self.broken: list[bytes] = []
        self.port = 0

    @contextlib.contextmanager
    def running(self) -> Iterator[ScriptedHop]:
        listener = socket.create_server(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        try:
            yield self
        finally:
            listener.close()
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        lines: list[bytes] = []
        self.seen.append(lines)
        with contextlib.suppress(OSError), connection:
            if not self._say(connection, ""):
                return
            stream = connection.makefile("rb")
            while line := stream.readline():
                lines.append(line)
                word = line.split(b" ", 1)[0].strip().upper().decode("ascii", "replace")
                if not self._say(connection, word):
                    return
                if word == "DATA" and self.script["DATA"].startswith(b"354"):
                    self.begun = content = bytearray()
                    try:
                        while (row := stream.readline()) != b".\r\n":
                            content += row
                            if not row:
                                self.broken.append(bytes(content))
                                return
                    except OSError:
                        self.broken.append(bytes(content))
                        raise
                    self.messages.append(bytes(content))
                    lines.append(b".\r\n")
                    if not self._say(connection, "."):
                        return

    def _say(self, connection: socket.socket, word: str) -> bool:
        reply = self.script.get(word, b"500 5.5.2 what\r\n")
        if reply.startswith(self.SLOW):
            reply = reply.removeprefix(self.SLOW)
            time.sleep(0.5)
        if reply.endswith(self.CLOSE):
            connection.sendall(reply.removesuffix(self.CLOSE))
            connection.shutdown(socket.SHUT_RDWR)
            return False
        if reply != self.SILENT:
            connection.sendall(reply)
        return True


class Client:
    """Sends octets as they are, and reads replies."""

    def __init__(self, port: int, host: str = "127.0.0.1", timeout: float = 10, source: str | None = None) -> None:
        self.socket: socket.socket = socket.create_connection((host, port), timeout, (source, 0) if source else None)
        self._stream = self.socket.makefile("rb")

    def send(self, octets: bytes) -> None:
        self.socket.sendall(octets)

    def reply(self) -> str:
        """Return the next reply, lines joined by newlines, empty at the end of the connection."""
        lines: list[str] = []
        while True:
            try:
                line = self._stream.readline()
            except ConnectionResetError:
                line = b""
            if not line:
                return "\n".join(lines)
            lines.append(line.decode().rstrip("\r\n"))
            if line[3:4] != b"-":
                return "\n".join(lines)

    def ask(self, octets: bytes) -> str:
        self.send(octets)
        return self.reply()

    def closed(self) -> bool:
        """Whether the server closed the connection (waits for it)."""
        try:
            return self._stream.read(1) == b""
        except ConnectionResetError:
            return True

    def start_tls(self, pki: Pki) -> None:
        self.socket = pki.client().wrap_socket(self.socket, server_hostname=NAME)
        self._stream = self.socket.makefile("rb")

    def begin(self, hello: bytes = b"EHLO client.example\r\n") -> Client:
        assert self.reply().startswith("220")
        assert self.ask(hello).startswith("250")
        return self

    def deliver(self, message: bytes, recipients: int = 1) -> str:
        """Send `message` (stuffed here) and return the last reply of the transaction."""
        reply = self.ask(b"MAIL FROM:<a@corp.test>\r\n")
        for number in range(recipients):
            if reply.startswith("250"):
                reply = self.ask(b"RCPT TO:<r%d@corp.test>\r\n" % number)
        if not reply.startswith("250"):
            return reply
        reply = self.ask(b"DATA\r\n")
        if not reply.startswith("354"):
            return reply
        stuffed = b"".join(b"." + row if row.startswith(b".") else row for row in message.splitlines(keepends=True))
        return self.ask(stuffed + b".\r\n")

    def close(self) -> None:
        self._stream.close()
        self.socket.close()


BASE: dict[str, object] = {
    "hostname": "tunnel.example",
    "tunnels": [
        {
            "name": "t",
            "interface": "127.0.0.1",
            "port": 0,
            "tls": {"mode": "none"},
            "clients": ["127.0.0.0/8", "::1"],
        }
    ],
    "upstreams": [{"name": "u", "forwarding_addresses": [], "tls": {"mode": "none"}}],
    "data_elements": [{"name": "ccn", "method": "mask", "keep_last": 4}],
    "services": [
        {
            "name": "s",
            "tunnels": ["t"],
            "hostnames": {"*": "u"},
            "profiles": [
                {
                    "name": "p",
                    "rules": [
                        {
                            "name": "message",
                            "action": "Extract",
                            "payload": {"type": "SMTP Message"},
                            "rules": [
                                {
                                    "name": "cards",
                                    "action": "Extract",
                                    "payload": {"type": "Text", "pattern": "ccn", "luhn": True},
                                    "rules": [{"name": "mask", "action": "Transform", "data_element": "ccn"}],
                                }
                            ],
                        }
                    ],
                }
            ],
        }
    ],
    "timeouts": {"connect": 5, "reply": 5, "data_reply": 5, "drain": 5},
}


LAUNCHER = """
import fcntl, os, sys
end = sys.argv.index("--")
# Out of the way first: one of them may itself have a number that another is to get.
high = [fcntl.fcntl(int(number), fcntl.F_DUPFD, 100) for number in sys.argv[1:end]]
for place, number in enumerate(high, 3):
    os.dup2(number, place)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(high)))
os.execv(sys.executable, [sys.executable, *sys.argv[end + 1:]])
"""


class Tunnel:
    """The service as a process; its configuration is BASE, changed by the test."""

    def __init__(self, folder: Path, *next_hops: int) -> None:
        self.folder = folder
        self.port = free_port()
        self.python = sys.executable
        self.options: list[str] = []
        self.passed: list[int] = []
        self.config = copy.deepcopy(BASE)
        self.tunnel["port"] = self.port
        self.upstream["forwarding_addresses"] = [{"address": "127.0.0.1", "port": p, "name": NAME} for p in next_hops]
        self.file = folder / "config.json"
        self.log = folder / "journal"
        self.errors = folder / "errors"
        self.stdout: int | None = None  # instead of the log

    @property
    def tunnel(self) -> dict[str, object]:
        return self.config["tunnels"][0]  # type: ignore[index, no-any-return]

    @property
    def upstream(self) -> dict[str, object]:
        return self.config["upstreams"][0]  # type: ignore[index, no-any-return]

    @property
    def service(self) -> dict[str, object]:
        return self.config["services"][0]  # type: ignore[index, no-any-return]

    def rules(self, *rules: dict[str, object]) -> None:
        """Put `rules` below the Extract of the message."""
        self.service["profiles"][0]["rules"][0]["rules"] = list(rules)  # type: ignore[index]

    def tls(self, pki: Pki, mode: str = "starttls", **more: object) -> None:
        self.tunnel["tls"] = {"mode": mode, "certificate": {"chain": str(pki.chain), "key": str(pki.key)}, **more}
        self.upstream["tls"]["accept_clear_text"] = True  # type: ignore[index]

    def upstream_tls(self, pki: Pki, mode: str, **more: object) -> None:
        self.upstream["tls"] = {"mode": mode, "ca_file": str(pki.ca), **more}

    def write(self) -> None:
        self.file.write_text(json.dumps(self.config))

    def command(self) -> list[str]:
        """The service's command; the sockets in `passed` come to it as a service manager passes them."""
        run = ["-m", "alertpath_tunnel", "run", "--config", str(self.file), *self.options]
        return [self.python, *(["-c", LAUNCHER, *map(str, self.passed), "--"] if self.passed else []), *run]

    def start(self, **environment: str) -> None:
        """Start, and wait for READY=1 on a notify socket of our own."""
        self.write()
        self._notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        address = str(self.folder / "notify")
        Path(address).unlink(missing_ok=True)
        self._notices.bind(address)
        with self.log.open("ab") as log, self.errors.open("ab") as errors:
            self.process = subprocess.Popen(
                self.command(),
                pass_fds=self.passed,
                stdout=log if self.stdout is None else self.stdout,
                stderr=errors,
                env={**os.environ, "PYTHONPATH": str(SOURCE), "NOTIFY_SOCKET": address, **environment},
            )
        self.notice("READY=1")

    def notice(self, wanted: str, timeout: float = 20) -> None:
        """Wait until the service sends `wanted`."""
        self._notices.settimeout(timeout)
        try:
            while wanted not in self._notices.recv(4096).decode().split("\n"):
                pass
        except TimeoutError:
            raise AssertionError(f"no {wanted}: {self.errors.read_text()}") from None

    def reload(self) -> None:
        self.write()
        self.process.send_signal(signal.SIGHUP)
        self.notice("READY=1")

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    def journal(self, event: str = "transaction") -> list[dict[str, object]]:
        records = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [record for record in records if record["event"] == event]

    def wait_journal(self, event: str = "transaction", count: int = 1) -> list[dict[str, object]]:
        deadline = time.monotonic() + 5
        while len(found := self.journal(event)) < count and time.monotonic() < deadline:
            time.sleep(0.02)
        assert len(found) >= count, self.log.read_text()
        return found

    @contextlib.contextmanager
    def running(self, **environment: str) -> Iterator[Tunnel]:
        self.start(**environment)
        try:
            yield self
        finally:
            if self.process.poll() is None:
                self.process.kill()
            self.process.wait()
            self._notices.close()
            errors = self.errors.read_text()
            assert not errors, errors
            assert not self.journal("internal error"), self.log.read_text()


@contextlib.contextmanager
def between(folder: Path, hop: ScriptedHop | None = None, **limits: int) -> Iterator[tuple[Tunnel, ScriptedHop]]:
    """A tunnel and its next hop, which keeps a transcript."""
    with (hop or ScriptedHop()).running() as running:
        tunnel = Tunnel(folder, running.port)
        tunnel.config["limits"] = limits
        with tunnel.running():
            yield tunnel, running
