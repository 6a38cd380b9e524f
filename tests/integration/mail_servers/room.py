# SPDX-License-Identifier: GPL-3.0-or-later
"""A mail server in a Debian tree of its own: Debian's packages of mail servers exclude each other on one machine."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from alertpath_lab.base import ensure_base
from alertpath_lab.topology import Base

# The tree stays as it is: what the server writes goes into a layer above it, which ends with the namespace.
_ENTER = """set -eu
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay -o "lowerdir=$2,upperdir=$1/upper,workdir=$1/work" overlay "$1/root"
mount --rbind /dev "$1/root/dev"
mount -t proc proc "$1/root/proc"
cp -rT "$3" "$1/root"
root=$1; shift 3
exec chroot "$root/root" "$@"
"""


def tree(*packages: str) -> Path:
    """The tree that has *packages*; it is built once, and kept."""
    return ensure_base(Base("bookworm", packages), print)


class Room:
    """Commands in *packages*' tree with *files* (absolute path -> text) laid over it."""

    def __init__(self, folder: Path, packages: tuple[str, ...], files: Mapping[str, str]) -> None:
        self._tree, self._top, self._files = tree(*packages), folder / "top", folder / "files"
        self._top.mkdir()
        for name, text in files.items():
            path = self._files / name.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            path.chmod(0o644)

    def start(self, command: list[str], log: Path) -> subprocess.Popen[bytes]:
        """Start *command*, which ends with all that it started when the returned process is killed."""
        words = ["unshare", "--mount", "--pid", "--fork", "--kill-child=KILL", "sh", "-c", _ENTER, "sh"]
        words += [str(self._top), str(self._tree), str(self._files), *command]
        with log.open("ab") as output:
            return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=output, stderr=output)

    @contextmanager
    def serving(self, command: list[str], port: int, log: Path) -> Iterator[None]:
        """Run *command* until the body ends; enter it when *port* of loopback greets."""
        process = self.start(command, log)
        try:
            greeted(port, process, log)
            yield
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()

    def run(self, command: list[str], text: bytes) -> tuple[int, str]:
        """Run *command* with *text* as its input; return how it ended and what it said."""
        log = self._files.parent / "said"
        process = self.start(command, log)
        process.communicate(text, timeout=60)
        said = log.read_text(errors="replace")
        log.unlink()
        return process.returncode, said


def greeted(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a server on *port* sends the first octets of its greeting."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert process.poll() is None, f"it ended: {log.read_text(errors='replace')}"
        try:
            with socket.create_connection(("127.0.0.1", port), 5) as probe:
                if probe.recv(3) == b"220":
                    return
        except OSError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"no greeting on port {port}: {log.read_text(errors='replace')}")
