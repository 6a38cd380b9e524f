# SPDX-License-Identifier: GPL-3.0-or-later
"""Haraka with its plugin smtp_proxy, which forwards command by command as the tunnel does."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from harness import Pki, free_port

from .base import Peer, Sinks, await_greeting, process

NAME = "Haraka smtp_proxy"
# Looking up each client's name is no part of the load, as with the other peers: a plugin says what it is.
CLIENT_NAME = 'exports.hook_lookup_rdns = (next) => next(OK, "client.bench.example")\n'


@contextlib.contextmanager
def haraka(home: Path, pki: Pki, sinks: Sinks, installed: Path) -> Iterator[Peer]:
    """Run the Haraka that lies in *installed* (a folder of npm's), in one process as it comes."""
    package, folder, port = installed / "node_modules" / "Haraka", home / "haraka", free_port()
    config, plugins = folder / "config", folder / "plugins"
    plugins.mkdir(parents=True)
    # Nothing stands in for a file that is missing here: without the shipped connection.ini no greeting is ever sent.
    shutil.copytree(package / "config", config)
    (plugins / "client_name.js").write_text(CLIENT_NAME)
    shutil.copy(pki.key, config / "tls_key.pem")
    shutil.copy(pki.chain, config / "tls_cert.pem")
    # Without these, it would look for primes of its own while the others are measured; RFC 7919 has some.
    group = ["openssl", "genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt", "group:ffdhe2048"]
    subprocess.run([*group, "-out", str(config / "dhparams.pem")], check=True, capture_output=True)
    for name, text in {
        "smtp.ini": f"listen=127.0.0.1:{port}\n",
        "smtp_proxy.ini": f"host=127.0.0.1\nport={sinks.clear}\nmax_connections=1000\n",
        "plugins": "client_name\ntls\nrcpt_to.in_host_list\nqueue/smtp_proxy\n",
        "host_list": "bench.example\n",
        "me": "haraka.bench.example\n",
        "loglevel": "ERROR\n",
    }.items():
        (config / name).write_text(text)
    environment = {**os.environ, "NODE_ENV": "production"}
    with process("node", str(package / "bin" / "haraka"), "-c", str(folder), env=environment) as running:
        await_greeting(port)
        yield Peer(NAME, {(False, False): port, (True, False): port}, [running.pid], 1)
