# SPDX-License-Identifier: GPL-3.0-or-later
"""Next hops made by others, each of which passes on what it takes: Exim, OpenSMTPD and Postfix."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple

from harness import Pki, free_port

from .room import Room, greeted

EXIM = ("exim4-daemon-light", "msmtp")
LIMIT = 2_000_000
REFUSED = "refused@corp.test"
_EXIM = """\
primary_hostname = exim.corp.test
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port}
smtp_banner = exim.corp.test ESMTP
message_size_limit = {limit}
tls_advertise_hosts = *
tls_certificate = /etc/peer/chain.pem
tls_privatekey = ${{if eq{{$received_port}}{{0}}{{}}{{/etc/peer/server.key}}}}
acl_smtp_rcpt = recipient
acl_smtp_data = accept
smtp_accept_max = 200
log_file_path = /var/log/exim4/%slog
begin acl
recipient:
  deny recipients = {refused}
       message = 5.1.1 nobody of that name
  accept
begin routers
onward:
  driver = manualroute
  domains = *
  transport = onward
  route_list = * 127.0.0.1
  self = send
begin transports
onward:
  driver = smtp
  port = {onward}
  allow_localhost
  hosts_avoid_tls = *
begin retry
* * F,1h,1m
"""
_OPENSMTPD = """\
pki peer cert "/etc/peer/chain.pem"
pki peer key "/etc/peer/server.key"
table refused {{ "{refused}" }}
smtp max-message-size {limit}
listen on 127.0.0.1 port {port} tls pki peer hostname opensmtpd.corp.test
action "onward" relay host smtp://127.0.0.1:{onward}
match from any for rcpt-to <refused> reject
match from any for any action "onward"
"""
_POSTFIX = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
myhostname = postfix.corp.test
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
smtputf8_enable = yes
message_size_limit = {limit}
relayhost = [127.0.0.1]:{onward}
alias_maps =
alias_database =
smtpd_peername_lookup = no
smtpd_recipient_restrictions = permit_mynetworks, reject
smtpd_relay_restrictions =
  check_recipient_access inline:{{ {{ {refused} = 550 5.1.1 nobody of that name }} }}, permit_mynetworks, reject
smtpd_tls_security_level = may
smtpd_tls_chain_files = {folder}/both.pem
{more}
"""
_MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
postlog unix-dgram n - n - 1 postlogd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
proxymap unix - - n - - proxymap
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
tlsmgr unix - - n 1000? 1 tlsmgr
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
"""
_DAEMONS = Path("/usr/lib/postfix/sbin")


class Hop(NamedTuple):
    """A server: its kind, what starts it at a port of loopback so that it passes on to another port there, and the
    kinds of TLS it can be asked for."""

    kind: str
    serve: Callable[[Path, Pki, int], AbstractContextManager[int]]
    modes: tuple[str, ...] = ("none", "starttls")


def _peer(pki: Pki) -> dict[str, str]:
    return {"/etc/peer/chain.pem": pki.chain.read_text(), "/etc/peer/server.key": pki.key.read_text()}


@contextmanager
def exim(folder: Path, pki: Pki, onward: int) -> Iterator[int]:
    """Exim, which delivers at once, in the process that took the message."""
    port = free_port()
    text = _EXIM.format(port=port, onward=onward, limit=LIMIT, refused=REFUSED)
    room = Room(folder, EXIM, {"/etc/peer/exim.conf": text, **_peer(pki)})
    start = "chgrp -R Debian-exim /etc/peer && chmod 0640 /etc/peer/server.key && chown root /etc/peer/exim.conf"
    command = ["sh", "-c", f"{start} && exec exim4 -C /etc/peer/exim.conf -bdf -q1m"]
    with room.serving(command, port, folder / "log"):
        yield port


@contextmanager
def opensmtpd(folder: Path, pki: Pki, onward: int) -> Iterator[int]:
    """OpenSMTPD."""
    port = free_port()
    text = _OPENSMTPD.format(port=port, onward=onward, limit=LIMIT, refused=REFUSED)
    room = Room(folder, ("opensmtpd",), {"/etc/smtpd.conf": text, **_peer(pki)})
    command = ["sh", "-c", "chmod 0600 /etc/peer/server.key && exec smtpd -d"]
    with room.serving(command, port, folder / "log"):
        yield port


@contextmanager
def postfix(folder: Path, pki: Pki, onward: int, more: str = "") -> Iterator[int]:
    """A Postfix that keeps all it writes in a folder of its own; *more* goes into its main.cf."""
    port = free_port()
    # Its own user must be able to enter every folder above.
    home = Path(tempfile.mkdtemp(prefix="alertpath-mta-", dir="/var/tmp"))
    home.chmod(0o755)
    for name in ("etc", "queue", "data"):
        (home / name).mkdir()
    shutil.chown(home / "data", "postfix")
    (home / "both.pem").write_text(pki.key.read_text() + pki.chain.read_text())
    (home / "both.pem").chmod(0o600)
    main = _POSTFIX.format(folder=home, onward=onward, limit=LIMIT, refused=REFUSED, more=more)
    (home / "etc" / "main.cf").write_text(main)
    (home / "etc" / "master.cf").write_text(_MASTER.format(port=port))
    subprocess.run(["postfix", "-c", str(home / "etc"), "check"], check=True, capture_output=True)
    log = folder / "log"
    with log.open("ab") as output:
        master = subprocess.Popen(
            [str(_DAEMONS / "master"), "-c", str(home / "etc"), "-d"], stdout=output, stderr=output
        )
    try:
        greeted(port, master, log)
        yield port
    finally:
        master.terminate()
        master.wait(20)
        shutil.rmtree(home)


# OpenSMTPD 6.8, which Debian 12 has, serves no TLS with OpenSSL 3: its issue 1171.
HOPS = [Hop("exim", exim), Hop("opensmtpd", opensmtpd, ("none",)), Hop("postfix", postfix)]
