# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a way over SSH to connections: keys are checked, then we log in."""

from __future__ import annotations

import contextlib
import io
import socket
from pathlib import Path
from typing import Any, List, Optional

with contextlib.suppress(ImportError):  # the module says that it is missing, before anything of this is used
    import paramiko

from .connection import Connection, ConnectionLost, OpenRefused, Request, Unanswered
from .known_hosts import Entry, Known, fingerprint, known, read
from .model import Hop, Route, SshFailure

_RSA = ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa")  # RFC 8332: one type of key, three of signatures


class Chain:
    """The hosts before the last stay connected; the last one can be connected to again and again."""

    def __init__(self, route: Route, seconds: float) -> None:
        """*seconds*: for each connection, for each login."""
        self._route = route
        self._seconds = seconds
        self._before: List[Connection] = []
        self._known = _read_known_hosts(route.known_hosts)

    def connect(self) -> Connection:
        """Return a new connection to the last host. Blocks. Raises SshFailure."""
        while len(self._before) < len(self._route.hops) - 1:
            self._before.append(self._reach(self._route.hops[len(self._before)]))
        return self._reach(self._route.last)

    def close(self) -> None:
        """End the connections to the hosts before the last."""
        while self._before:
            self._before.pop().close()

    def _reach(self, hop: Hop) -> Connection:
        carrier = self._carrier(hop)
        connection: Optional[Connection] = None
        try:
            connection = Connection(carrier)
            self._shake_hands(connection, hop)
            self._log_in(connection, hop)
        except BaseException:
            (connection or carrier).close()
            raise
        return connection

    def _carrier(self, hop: Hop) -> Any:
        if not self._before:
            try:
                return socket.create_connection((hop.host, hop.port), self._seconds)
            except OSError as error:
                why = "no answer" if isinstance(error, socket.timeout) else error.strerror or str(error)
                raise SshFailure(f"ssh to {hop}: {why}; the address, the port and the rules between must fit") from None
        through = self._route.hops[len(self._before) - 1]
        try:
            return self._before[-1].connect_from_there((hop.host, hop.port), self._seconds, Request())
        except OpenRefused as error:
            why = error.text or f"code {error.code}"
        except Unanswered:
            why = "no answer"
        except ConnectionLost as error:
            why = f"the connection to {through.host} is gone: {error}"
        raise SshFailure(f"ssh to {hop} through {through}: {why}; {through.host} must forward there, and reach it")

    def _shake_hands(self, connection: Connection, hop: Hop) -> None:
        transport = connection.transport
        transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = self._seconds
        mine = known(self._known, hop.known_as)
        _prefer(transport, mine)
        try:
            transport.start_client(timeout=self._seconds)
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise SshFailure(
                f"ssh to {hop}: {connection.why_lost(error)}; is this an SSH server, and up to date?"
            ) from None
        self._check(transport.get_remote_server_key(), mine, hop)

    def _check(self, shown: paramiko.PKey, mine: Known, hop: Hop) -> None:
        key = (shown.get_name(), shown.asbytes())
        name, mark, file = hop.known_as, fingerprint(shown.asbytes()), self._route.known_hosts
        if key in mine.revoked:
            raise SshFailure(f"ssh to {hop}: its host key {mark} is revoked in {file}; nothing was sent")
        if key in mine.keys:
            return
        if mine.keys:
            raise SshFailure(
                f"ssh to {hop}: it shows the host key {mark}, and {file} has another for {name}; nothing was sent. "
                "Find out on the host itself whether its key was changed, else somebody stands in between"
            )
        authority = "; certificate authorities are not supported" if mine.by_authority else ""
        raise SshFailure(
            f"ssh to {hop}: no host key of {name} is in {file}{authority}; it shows {key[0]} {mark}. Compare that on "
            "the host itself (ssh-keygen -lf), then add the key"
        )

    def _log_in(self, connection: Connection, hop: Hop) -> None:
        transport = connection.transport
        tried = []
        try:
            for key in _keys(hop):
                tried.append("the key" if hop.key_file else "the agent's keys")
                try:
                    if not transport.auth_publickey(hop.user, key):
                        return
                    break  # the server wants a password as well
                except paramiko.BadAuthenticationType:
                    break
                except paramiko.AuthenticationException:
                    continue
            if hop.password is not None:
                tried.append("the password")
                transport.auth_password(hop.user, hop.password)
        except (paramiko.SSHException, EOFError, OSError) as error:
            if not isinstance(error, paramiko.AuthenticationException):
                raise SshFailure(f"ssh to {hop}: {connection.why_lost(error)} while logging in") from None
        if not transport.is_authenticated():
            what = " and ".join(dict.fromkeys(tried)) or "nothing to try: give key_file, password, or run an agent"
            raise SshFailure(f"ssh to {hop}: the server refuses the login ({what})")


def _read_known_hosts(file: str) -> List[Entry]:
    try:
        return read(Path(file).expanduser().read_text(encoding="utf-8", errors="replace"))
    except OSError as error:
        raise SshFailure(f"known_hosts {file}: {error.strerror}; give a file with the host keys of the way") from None


def _prefer(transport: paramiko.Transport, mine: Known) -> None:
    """Ask for a key of a type that is known, for a server has several and shows one."""
    types = {kind for kind, _blob in mine.keys}
    options = transport.get_security_options()
    offered = list(options.key_types)
    wanted = [kind for kind in offered if kind in types or ("ssh-rsa" in types and kind in _RSA)]
    options.key_types = [*wanted, *(kind for kind in offered if kind not in wanted)]


def _keys(hop: Hop) -> List[paramiko.PKey]:
    """Return the keys to offer. Raises SshFailure."""
    if hop.key_file is None:
        return [] if hop.password is not None else list(paramiko.Agent().get_keys())
    return [_read_key(hop, hop.key_file)]


def _read_key(hop: Hop, file: str) -> paramiko.PKey:
    where = f"ssh to {hop}: key_file {file}"
    unusable = "no Ed25519, ECDSA or RSA key, or key_passphrase does not open it"
    try:
        text = Path(file).expanduser().read_text(encoding="ascii")
    except OSError as error:
        raise SshFailure(f"{where}: {error.strerror}") from None
    except UnicodeError:
        raise SshFailure(f"{where}: {unusable}") from None
    for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
        try:
            return kind.from_private_key(io.StringIO(text), hop.key_passphrase)
        except paramiko.PasswordRequiredException:  # noqa: PERF203  # three kinds, tried once
            raise SshFailure(f"{where}: it is encrypted; give key_passphrase") from None
        except (paramiko.SSHException, ValueError, TypeError):
            continue
    raise SshFailure(f"{where}: {unusable}")
