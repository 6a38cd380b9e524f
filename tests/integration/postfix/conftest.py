# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real Postfix instances in a network namespace of their own: one to manage, and servers as its next hops."""

from __future__ import annotations

import datetime
import ipaddress
import json
import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

ROOT = Path(__file__).resolve().parents[3]
SYSTEM = Path("/etc/postfix")
ADDRESSES = ("10.77.30.11", "10.77.30.12", "fd77:30::11", "fd77:30::12")


def _until(check, seconds: float = 15.0, what="it"):
    """Return the first true result of *check* within *seconds*; *what* is a text, or makes one on failure."""
    deadline = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < deadline, f"{what() if callable(what) else what} did not happen within {seconds} s"
        time.sleep(0.1)
    return found


class Namespace:
    def __init__(self, name: str) -> None:
        self.name = name
        subprocess.run(["ip", "netns", "add", name], check=True)
        self.run("ip", "link", "set", "lo", "up")
        for address in ADDRESSES:
            length = "128" if ":" in address else "32"
            self.run("ip", "addr", "add", f"{address}/{length}", "dev", "lo", *(["nodad"] if ":" in address else []))

    def run(self, *argv: str, stdin: str | None = None, check: bool = True, env: dict[str, str] | None = None):
        return subprocess.run(
            ["ip", "netns", "exec", self.name, *argv],
            input=stdin,
            capture_output=True,
            text=True,
            check=check,
            timeout=120,
            env={**os.environ, **(env or {})},
        )

    def close(self) -> None:
        subprocess.run(["ip", "netns", "del", self.name], check=True)


class Authority:
    """A certificate authority of the test's own."""

    def __init__(self, name: str = "authority") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        self.certificate = self._issue(self._name, self._key, True, [])
        self.pem = self.certificate.public_bytes(Encoding.PEM).decode()

    def _issue(self, subject, key, ca, names):
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self._key, hashes.SHA256())

    def leaf(self, folder: Path, name: str, address: str) -> tuple[Path, str]:
        """Write a certificate with its key; return the file and the certificate's SHA-256 fingerprint."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        names = [x509.DNSName(name), x509.IPAddress(ipaddress.ip_address(address))]
        certificate = self._issue(subject, key, False, names)
        path = folder / "chain.pem"
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        path.write_bytes(private + certificate.public_bytes(Encoding.PEM))
        return path, certificate.fingerprint(hashes.SHA256()).hex(":").upper()


class Postfix:
    """One Postfix instance with its own configuration, queue and log."""

    def __init__(self, namespace: Namespace, folder: Path) -> None:
        self.namespace, self.folder = namespace, folder
        self.config, self.log_file = folder / "conf", folder / "maillog"
        for name in ("conf", "queue", "data"):
            (folder / name).mkdir(parents=True)
        folder.chmod(0o755)
        shutil.chown(folder / "data", "postfix")
        for path in SYSTEM.iterdir():
            if path.name not in ("main.cf", "sasl") and path.is_file():
                shutil.copy2(path, self.config)
            elif path.name.endswith(".d"):
                shutil.copytree(path, self.config / path.name)
        # A chroot would need copies of the system's files in this queue directory.
        text = (self.config / "master.cf").read_text()
        (self.config / "master.cf").write_text(re.sub(r"(?m)^(\S+\s+(?:unix|inet)\s+\S\s+\S\s+)y", r"\1n", text))

    @property
    def base(self) -> str:
        """What any main.cf of this instance needs to stay inside its folder."""
        return (
            f"compatibility_level = 3.6\nqueue_directory = {self.folder}/queue\ndata_directory = {self.folder}/data\n"
            f"maillog_file = {self.log_file}\nmaillog_file_prefixes = /var, /tmp\n"
        )

    def postfix(self, command: str, check: bool = True):
        return self.namespace.run("postfix", "-c", str(self.config), command, check=check)

    def running(self) -> bool:
        return self.postfix("status", check=False).returncode == 0

    def log(self) -> str:
        return self.log_file.read_text() if self.log_file.exists() else ""

    def parameter(self, name: str) -> str:
        return self.namespace.run("postconf", "-c", str(self.config), "-xh", name).stdout.strip()

    def send(self, recipient: str, subject: str = "an alert", sender: str = "root") -> None:
        text = f"Subject: {subject}\nTo: {recipient}\n\nbody\n"
        self.namespace.run("sendmail", "-C", str(self.config), "-f", sender, recipient, stdin=text)

    def queue(self) -> str:
        return self.namespace.run("postqueue", "-c", str(self.config), "-p").stdout

    def stop(self) -> None:
        if self.running():
            self.postfix("abort")


class Server(Postfix):
    """A next hop: takes mail for corp.test over TLS and keeps it in one mailbox file."""

    def __init__(self, namespace, folder, authority, address, name, implicit=False) -> None:
        super().__init__(namespace, folder)
        self.address, self.name = address, name
        self.port = 465 if implicit else 587
        chain, self.fingerprint = authority.leaf(folder, name, address)
        host = f"[{address}]" if ":" in address else address
        wrapper = " -o smtpd_tls_wrappermode=yes" if implicit else ""
        service = f"{host}:{self.port} inet n - n - - smtpd{wrapper}"
        lines = (self.config / "master.cf").read_text().splitlines()
        (self.config / "master.cf").write_text(
            "\n".join(service if line.split()[:2] == ["smtp", "inet"] else line for line in lines) + "\n"
        )
        (folder / "mail").mkdir()
        shutil.chown(folder / "mail", "postfix")
        owner = pwd.getpwnam("postfix")
        (self.config / "main.cf").write_text(
            self.base
            + f"inet_interfaces = {host}\nmyhostname = {name}\nmydestination =\nvirtual_mailbox_domains = corp.test\n"
            f"virtual_mailbox_base = {folder}/mail\nvirtual_mailbox_maps = static:box\n"
            f"virtual_uid_maps = static:{owner.pw_uid}\nvirtual_gid_maps = static:{owner.pw_gid}\n"
            "virtual_minimum_uid = 1\nsmtpd_tls_security_level = encrypt\nsmtpd_tls_received_header = yes\n"
            f"smtpd_tls_chain_files = {chain}\nsmtpd_tls_loglevel = 1\nsmtpd_peername_lookup = no\n"
            "smtpd_relay_restrictions = reject_unauth_destination\nsmtp_dns_support_level = disabled\n"
        )
        self.postfix("start")

    def mail(self) -> str:
        box = self.folder / "mail" / "box"
        return box.read_text() if box.exists() else ""

    def hop(self, **changed):
        encryption = "implicit" if self.port == 465 else "starttls"
        return {"address": self.address, "port": self.port, "encryption": encryption, "name": self.name, **changed}


class Satellite(Postfix):
    """The instance under test: the module manages its configuration directory."""

    ORIGINAL = "myhostname = old.corp.test\ninet_interfaces = loopback-only\nmydestination = localhost\n"

    def __init__(self, namespace: Namespace, folder: Path, authority: Authority) -> None:
        super().__init__(namespace, folder)
        self.authority = authority
        self.original = self.base + self.ORIGINAL
        (self.config / "main.cf").write_text(self.original)

    def module(self, *flags: str, check: bool = True, **arguments):
        """Run the module as Ansible does; return its result with what Ansible printed in 'printed'."""
        options = {
            "hostname": "vault1.corp.test",
            "ca": self.authority.pem,
            "config_directory": str(self.config),
            **arguments,
        }
        options = {name: value for name, value in options.items() if value is not None}
        done = self.namespace.run(
            *("ansible", "localhost", "-i", "localhost,", "-c", "local", *flags),
            *("-e", f"ansible_python_interpreter={sys.executable}"),
            *("-m", "alertpath.smtp.postfix_satellite", "-a", json.dumps(options)),
            check=False,
            env={
                "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
                "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
                "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"),
                "ANSIBLE_STDOUT_CALLBACK": "minimal",
                "ANSIBLE_NOCOLOR": "1",
            },
        )
        found = re.search(r"localhost \| \w+!? => (\{.*\})", done.stdout, re.DOTALL)
        assert found, done.stdout + done.stderr
        result = json.loads(found.group(1))
        result["failed"] = "FAILED!" in found.group(0).splitlines()[0]
        result["printed"] = done.stdout + done.stderr
        assert not check or not result["failed"], result
        return result

    def tree(self) -> dict[str, tuple[bytes, int]]:
        """Every file of the configuration directory: bytes and mode."""
        files = (path for path in self.config.rglob("*") if path.is_file())
        return {str(path.relative_to(self.config)): (path.read_bytes(), path.stat().st_mode) for path in files}


@pytest.fixture(scope="session")
def until():
    return _until


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="session")
def namespace():
    assert os.geteuid() == 0, "these tests make a network namespace: run them as root"
    made = Namespace(f"apmail-{os.getpid()}")
    yield made
    made.close()


@pytest.fixture(scope="session")
def place():
    """A folder that Postfix's own account can reach, as pytest's are not."""
    with tempfile.TemporaryDirectory(prefix="apmail-", dir="/var/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="session")
def servers(namespace, authority, place):
    """Two next hops, one on IPv4 and one on IPv6, and one that a foreign authority signed."""
    root = place / "servers"
    made = {
        "v4": Server(namespace, root / "v4", authority, "10.77.30.11", "tunnel1.corp.test"),
        "v6": Server(namespace, root / "v6", authority, "fd77:30::12", "tunnel2.corp.test"),
        "foreign": Server(namespace, root / "foreign", Authority("foreign"), "10.77.30.12", "tunnel2.corp.test"),
        "implicit": Server(namespace, root / "implicit", authority, "fd77:30::11", "tunnel1.corp.test", implicit=True),
    }
    yield made
    for server in made.values():
        server.stop()


@pytest.fixture
def satellite(namespace, authority, place):
    folder = Path(tempfile.mkdtemp(prefix="satellite-", dir=place))
    made = Satellite(namespace, folder, authority)
    yield made
    made.stop()
    shutil.rmtree(folder)
