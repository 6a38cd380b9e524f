# SPDX-License-Identifier: GPL-3.0-or-later
"""The depths at a real Postfix, with postscreen before one of its ports. It keeps no message."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from . import pki
from .conftest import NAME, World
from .network import Network, sh

DAEMONS = Path("/usr/lib/postfix/sbin")
pytestmark = pytest.mark.skipif(
    not (DAEMONS / "master").exists() or shutil.which("postconf") is None, reason="Postfix is not installed here"
)
PLAIN, IMPLICIT, SCREENED = 5325, 5365, 5326
MAIN = """compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
myhostname = mail.corp.test
mydestination = corp.test
local_recipient_maps = inline:{{ soc=x }}
alias_maps =
alias_database =
mynetworks = 127.0.0.0/8
inet_interfaces = all
smtpd_peername_lookup = no
smtpd_tls_security_level = may
smtpd_tls_cert_file = {pem}
smtpd_tls_key_file = {pem}
message_size_limit = 12345678
postscreen_greet_wait = 6s
postscreen_greet_action = enforce
"""
MASTER = f"""{PLAIN} inet n - n - - smtpd
{IMPLICIT} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
{SCREENED} inet n - n - 1 postscreen
smtpd pass - - n - - smtpd
postlog unix-dgram n - n - 1 postlogd
cleanup unix n - n - 0 cleanup
rewrite unix - - n - - trivial-rewrite
tlsmgr unix - - n 1000? 1 tlsmgr
anvil unix - - n - 1 anvil
dnsblog unix - - n - 0 dnsblog
tlsproxy unix - - n - 0 tlsproxy
"""


@pytest.fixture(scope="module")
def queue(network: Network, world: World) -> Iterator[Path]:
    """Postfix in the server's namespace, with all that it writes in a folder of its own; yields its queue."""
    folder = Path(tempfile.mkdtemp(prefix="alertpath-postfix-", dir="/var/tmp"))
    folder.chmod(0o755)
    (folder / "etc").mkdir()
    (folder / "queue").mkdir()
    (folder / "data").mkdir()
    shutil.chown(folder / "data", "postfix")
    pem = pki.leaf(folder, "mail.pem", world.ca, NAME)
    (folder / "etc" / "main.cf").write_text(MAIN.format(folder=folder, pem=pem))
    (folder / "etc" / "master.cf").write_text(MASTER)
    sh("postfix", "-c", str(folder / "etc"), "check")
    server = network.names["server"]
    master = subprocess.Popen(
        ["ip", "netns", "exec", server, str(DAEMONS / "master"), "-c", str(folder / "etc"), "-d"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(100):
            if f":{SCREENED} " in sh("ip", "netns", "exec", server, "ss", "-Hltn"):
                break
            time.sleep(0.1)
        yield folder / "queue"
    finally:
        master.terminate()
        master.wait()
        shutil.rmtree(folder)


def ask(network: Network, world: World, port: int, version: int = 4, **settings: Any) -> dict[str, Any]:
    target = {
        "destination": network.server[version],
        "port": port,
        "encryption": "implicit" if port == IMPLICIT else "starttls",
        "name": NAME,
    }
    (row,) = network.probe([target], **{"ca_pem": world.ca.pem, "timeout": 10, **settings})["rows"]
    return row


def kept(queue: Path) -> list[str]:
    return [str(path) for name in ("maildrop", "incoming", "active", "deferred") for path in (queue / name).rglob("*")]


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("port", [PLAIN, IMPLICIT])
def test_recipient_is_accepted_and_nothing_is_kept(
    network: Network, world: World, queue: Path, port: int, version: int
) -> None:
    row = ask(network, world, port, version, depth="mail", recipient="soc@corp.test")
    assert (row["outcome"], row["verdict"]) == ("open", "pass"), row
    exchanges = {
        seen["stage"]: (seen.get("code"), seen.get("enhanced")) for seen in row["evidence"]["smtp"]["exchanges"]
    }
    assert exchanges["mail_from"] == (250, "2.1.0")
    assert exchanges["rcpt_to"] == (250, "2.1.5")
    assert exchanges["rset"] == (250, "2.0.0")
    assert row["evidence"]["smtp"]["size"] == 12345678
    assert row["evidence"]["tls"]["client_certificate_asked"] is False
    assert not kept(queue)


@pytest.mark.parametrize(
    ("recipient", "kind", "code"),
    [
        ("nobody@corp.test", "recipient_refused", "5.1.1"),
        ("soc@elsewhere.test", "recipient_deferred", "4.7.1"),  # Postfix defers relaying unless told otherwise
    ],
)
def test_recipient_is_refused(
    network: Network, world: World, queue: Path, recipient: str, kind: str, code: str
) -> None:
    row = ask(network, world, PLAIN, depth="mail", recipient=recipient)
    assert (row["outcome"], row["class"]) == ("mail_refused", kind), row
    refused = row["evidence"]["smtp"]["exchanges"][-2]
    assert (refused["stage"], refused["enhanced"]) == ("rcpt_to", code)
    assert not kept(queue)


def test_account_at_a_server_without_accounts(network: Network, world: World, queue: Path) -> None:
    row = ask(network, world, PLAIN, depth="auth", username="relay@corp.test", password="s3cret word")
    assert (row["outcome"], row["class"]) == ("auth_failed", "auth_missing")


def test_postscreen_greets_late_and_is_open_all_the_same(network: Network, world: World, queue: Path) -> None:
    row = ask(network, world, SCREENED)
    assert (row["outcome"], row["class"], row["verdict"]) == ("open", "banner_late", "pass"), row
    assert 5 < row["evidence"]["smtp"]["greeting_seconds"] < 9
    row = ask(network, world, SCREENED, 6, timeout=4)
    assert (row["outcome"], row["class"], row["verdict"]) == ("banner_timeout", "banner_incomplete", "fail"), row
