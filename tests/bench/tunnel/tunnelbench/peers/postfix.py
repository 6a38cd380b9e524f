# SPDX-License-Identifier: GPL-3.0-or-later
"""Postfix three ways: its proxy filter, its queue, and its queue behind a milter written in Python.

One instance of its own with a listener for each; whatever it does not say here is Postfix's default.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from harness import Pki, free_port

from .base import Peer, Sinks, await_greeting, await_port, process

SIDES = (False, True)
MASTER = "/usr/lib/postfix/sbin/master"
MILTER = Path(__file__).with_name("cards_milter.py")
# Only what else would refuse the load, and where mail goes: that for onward.example over TLS.
MAIN_CF = """compatibility_level = 3.6
queue_directory = {home}/queue
data_directory = {home}/data
myhostname = postfix.bench.example
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
maillog_file =
syslog_name = bench
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_peername_lookup = no
smtpd_recipient_restrictions = permit_mynetworks, reject
smtpd_relay_restrictions =
smtp_host_lookup = native
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
message_size_limit = 30000000
mailbox_size_limit = 0
default_process_limit = 200
transport_maps = inline:{{
  {{ onward.example = onward:[127.0.0.1]:{tls} }}, {{ bench.example = smtp:[127.0.0.1]:{clear} }} }}
smtpd_tls_chain_files = {key}, {chain}
smtpd_tls_ask_ccert = no
smtp_tls_CAfile = {ca}
smtp_tls_session_cache_database = btree:{home}/data/smtp_scache
smtpd_tls_session_cache_database = btree:{home}/data/smtpd_scache
"""
MASTER_CF = """127.0.0.1:{filter} inet n - n - - smtpd
  -o smtpd_proxy_filter=127.0.0.1:{clear} -o smtpd_proxy_options=speed_adjust
127.0.0.1:{filter_tls} inet n - n - - smtpd
  -o smtpd_proxy_filter=127.0.0.1:{clear} -o smtpd_proxy_options=speed_adjust -o smtpd_tls_security_level=encrypt
127.0.0.1:{relay} inet n - n - - smtpd
127.0.0.1:{relay_tls} inet n - n - - smtpd
  -o smtpd_tls_security_level=encrypt
127.0.0.1:{milter} inet n - n - - smtpd
  -o smtpd_milters=inet:127.0.0.1:{milter_port} -o milter_default_action=tempfail
anvil unix - - n - 1 anvil
rewrite unix - - n - - trivial-rewrite
proxymap unix - - n - - proxymap
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
smtp unix - - n - - smtp
onward unix - - n - - smtp
  -o smtp_tls_security_level=encrypt
error unix - - n - - error
retry unix - - n - - error
scache unix - - n - 1 scache
tlsmgr unix - - n 1000? 1 tlsmgr
"""


def _drained(queue: Path) -> None:
    """Wait until everything in the queue is delivered.

    Raises RuntimeError when a message is put off, TimeoutError after a minute.
    """
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if any((queue / "deferred").rglob("[0-9A-F]*?????")):
            raise RuntimeError(f"Postfix could not deliver a message and put it off; its journal says why ({queue})")
        if not any(any((queue / name).iterdir()) for name in ("incoming", "active")):
            return
        time.sleep(0.005)
    raise TimeoutError(f"Postfix's queue is not empty after a minute ({queue})")


@contextlib.contextmanager
def postfix(home: Path, pki: Pki, sinks: Sinks, names: set[str]) -> Iterator[list[Peer]]:
    """Run Postfix; *names* says whether the milter is needed."""
    folder = home / "postfix"
    for part in ("etc", "queue", "data"):
        (folder / part).mkdir(parents=True)
    shutil.chown(folder / "data", "postfix")
    kinds = ("filter", "filter_tls", "relay", "relay_tls", "milter", "milter_port")
    ports = {kind: free_port() for kind in kinds}
    words = {**ports, "home": folder, "clear": sinks.clear, "tls": sinks.tls}
    words |= {"key": pki.key, "chain": pki.chain, "ca": pki.ca}
    (folder / "etc" / "main.cf").write_text(MAIN_CF.format(**words))
    (folder / "etc" / "master.cf").write_text(MASTER_CF.format(**words))
    subprocess.run(["postfix", "-c", str(folder / "etc"), "check"], check=True, capture_output=True)
    queue = folder / "queue"
    with contextlib.ExitStack() as stack:
        roots = [stack.enter_context(process(MASTER, "-c", str(folder / "etc"), "-d")).pid]
        await_greeting(ports["filter"])

        def settle() -> None:
            _drained(queue)

        peers = [
            Peer("Postfix proxy filter", {(False, False): ports["filter"], (True, False): ports["filter_tls"]}, roots),
            Peer(
                "Postfix relay",
                {
                    (tls, onward): ports["relay_tls" if tls else "relay"]
                    for tls in (False, True)
                    for onward in (False, True)
                },
                roots,
                settle=settle,
            ),
        ]
        if "Postfix + Python milter" in names:
            milter = stack.enter_context(process("/usr/bin/python3", str(MILTER), str(ports["milter_port"]))).pid
            await_port(ports["milter_port"])
            peers.append(
                Peer("Postfix + Python milter", {(False, False): ports["milter"]}, [*roots, milter], settle=settle)
            )
        yield peers
