# SPDX-License-Identifier: GPL-3.0-or-later
"""Gets what the peers need from Debian, PyPI and npm, before the room without a network is entered."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from . import release
from .peers.tunnel import VARIANTS

HARAKA = "Haraka@^3.3.4"
CACHE = Path(__file__).resolve().parents[4] / ".cache" / "bench"


def missing_packages(names: set[str]) -> list[str]:
    """Return the Debian packages that these peers need and this machine lacks."""
    wanted = {"postfix": Path("/usr/sbin/smtp-sink").exists(), "iproute2": shutil.which("ip")}
    if "Postfix + Python milter" in names:
        wanted["python3-milter"] = Path("/usr/lib/python3/dist-packages/Milter").is_dir()
    if "Haraka smtp_proxy" in names:
        wanted |= {"nodejs": shutil.which("node"), "npm": shutil.which("npm"), "openssl": shutil.which("openssl")}
    return [name for name, there in wanted.items() if not there]


def prepare(names: set[str]) -> None:
    """Install and compile what is missing; Haraka lies under .cache/bench.

    Raises SystemExit with what to do when that fails.
    """
    for compiled in sorted({variant.compiled for variant in VARIANTS if variant.name in names}):
        print(
            f"installing the tunnel{', compiled' if compiled else ''}, unless that is done", file=sys.stderr, flush=True
        )
        release.install(compiled)
    packages = missing_packages(names)
    if packages:
        apt = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=60"]
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        _run([*apt, "install", "-y", "--no-install-recommends", *packages], quiet, "or leave those peers out by --peer")
    if "Haraka smtp_proxy" in names and not (haraka() / "node_modules" / "Haraka").is_dir():
        haraka().mkdir(parents=True, exist_ok=True)
        npm = ["npm", "install", "--no-audit", "--no-fund", "--omit=optional", "--ignore-scripts"]
        _run(
            [*npm, "--prefix", str(haraka()), HARAKA],
            dict(os.environ),
            "Haraka needs Node 20; or leave it out by --peer",
        )


def haraka() -> Path:
    """Return the folder that Haraka is installed into."""
    return CACHE / "haraka"


def _run(argv: list[str], environment: dict[str, str], remedy: str) -> None:
    print(" ".join(argv), file=sys.stderr, flush=True)
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(argv[:2])} failed: {done.stderr.strip()[-500:]}; {remedy}")
