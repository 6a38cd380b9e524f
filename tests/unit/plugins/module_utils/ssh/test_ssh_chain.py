# SPDX-License-Identifier: GPL-3.0-or-later
"""Logging in, at servers that want what OpenSSH on a test machine does not: passwords, several factors, questions."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paramiko
import pytest
from ansible_collections.alertpath.smtp.plugins.module_utils.ssh.chain import Chain
from ansible_collections.alertpath.smtp.plugins.module_utils.ssh.model import Hop, Route, SshFailure

SECRET = "open sesame"
HOST_KEY = paramiko.ECDSAKey.generate()


class Server(paramiko.ServerInterface):
    """Wants *methods*, in their order; *asks* them on the keyboard where that is one."""

    def __init__(self, methods: list[str]) -> None:
        self.left = list(methods)

    def get_allowed_auths(self, username: str) -> str:
        return self.left[0]

    def _passed(self) -> int:
        self.left.pop(0)
        return paramiko.AUTH_PARTIALLY_SUCCESSFUL if self.left else paramiko.AUTH_SUCCESSFUL

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return self._passed() if self.left[0] == "publickey" else paramiko.AUTH_FAILED

    def check_auth_password(self, username: str, password: str) -> int:
        right = self.left[0] == "password" and password == SECRET
        return self._passed() if right else paramiko.AUTH_FAILED

    def check_auth_interactive(self, username: str, submethods: str) -> object:
        return paramiko.InteractiveQuery("", "", ("Password: ", False))

    def check_auth_interactive_response(self, responses: list[str]) -> int:
        return self._passed() if responses == [SECRET] else paramiko.AUTH_FAILED


@contextmanager
def server(methods: list[str], folder: Path) -> Iterator[Route]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        port = listener.getsockname()[1]
        transports = []

        def serve() -> None:
            transport = paramiko.Transport(listener.accept()[0])
            transports.append(transport)
            transport.add_server_key(HOST_KEY)
            transport.start_server(server=Server(methods), event=threading.Event())

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        known = folder / "known"
        known.write_text(f"[127.0.0.1]:{port} {HOST_KEY.get_name()} {HOST_KEY.get_base64()}\n")
        yield Route((Hop("127.0.0.1", "probe", port),), str(known))
        thread.join(10)
        for transport in transports:
            transport.close()


@pytest.fixture(scope="module")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("key") / "key"
    paramiko.ECDSAKey.generate().write_private_key_file(str(file))
    return str(file)


def connect(route: Route, **more: str) -> bool:
    hop = route.last._replace(**more)
    chain = Chain(route._replace(hops=(hop,)), 10.0)
    connection = chain.connect()
    try:
        return connection.transport.is_authenticated()
    finally:
        connection.close()
        chain.close()


@pytest.mark.parametrize("method", ["password", "keyboard-interactive"])
def test_password(tmp_path: Path, method: str) -> None:
    with server([method], tmp_path) as route:
        assert connect(route, password=SECRET)


@pytest.mark.parametrize("second", ["password", "keyboard-interactive"])
def test_key_and_then_password(tmp_path: Path, key_file: str, second: str) -> None:
    with server(["publickey", second], tmp_path) as route:
        assert connect(route, key_file=key_file, password=SECRET)


def test_key_alone_where_a_password_is_wanted_too(tmp_path: Path, key_file: str) -> None:
    with (
        server(["publickey", "password"], tmp_path) as route,
        pytest.raises(SshFailure, match=r"refuses the login \(the key\)"),
    ):
        connect(route, key_file=key_file)


def test_wrong_password_is_refused_and_not_shown(tmp_path: Path) -> None:
    with server(["password"], tmp_path) as route, pytest.raises(SshFailure, match="refuses the login") as refused:
        connect(route, password="swordfish")
    assert "swordfish" not in str(refused.value)


def test_secrets_are_in_no_representation() -> None:
    hop = Hop("vault", "probe", password=SECRET, key_passphrase=SECRET)
    assert SECRET not in f"{hop} {hop!r} {Route((hop,), 'known')!r}"


def test_missing_known_hosts_is_told(tmp_path: Path) -> None:
    with pytest.raises(SshFailure, match=r"known_hosts .*No such file"):
        Chain(Route((Hop("127.0.0.1", "probe"),), str(tmp_path / "none")), 1.0)
