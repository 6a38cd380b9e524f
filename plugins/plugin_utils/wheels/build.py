# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fill a folder with the wheels a host needs. Runs pip on the controller; the host reaches no registry."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from .compiled import environment, require_compiler
from .source import REQUIREMENTS, Source
from .target import Target

_SECONDS = 600


class BuildError(Exception):
    """The wheels could not be built or downloaded."""


def cache_folder() -> Path:
    """Where wheelhouses are kept between runs."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
    return Path(os.environ.get("ALERTPATH_CACHE") or home / "alertpath")


def wheelhouse(source: Source, target: Target, compiled: bool = False) -> Path:
    """Return a folder with the wheels of *source* and all it needs on *target*, built unless it is there already.

    *compiled*: to machine code, which takes most of a minute; *target* must be like this machine (compiled.py).
    Several targets may ask at once: one builds, the others wait. Raises BuildError with pip's own words, CompileError.
    """
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / f"wheelhouse-{source.release(target, compiled)}"
    with _locked(cache / "wheelhouse.lock"):
        if not folder.exists():
            if compiled:
                require_compiler()
            with tempfile.TemporaryDirectory(prefix="wheelhouse-", dir=cache) as name:
                staged = Path(name) / "wheels"
                _fill(staged, source, target, environment(compiled))
                staged.rename(folder)
    return folder


def _fill(folder: Path, source: Source, target: Target, build: Mapping[str, str]) -> None:
    folder.mkdir()
    with tempfile.TemporaryDirectory(prefix="alertpath-tunnel-") as name:
        copy = Path(name)
        for path in source.files:
            place = copy / path.relative_to(source.folder)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)
        _pip("wheel", "--no-deps", "--wheel-dir", str(folder), str(copy), extra=build)
    pins = str(source.folder / REQUIREMENTS)
    _pip("download", "--dest", str(folder), *target.pip_options, "--require-hashes", "--requirement", pins)


def _pip(verb: str, *arguments: str, extra: Mapping[str, str] | None = None) -> None:
    argv: Sequence[str] = [sys.executable, "-m", "pip", verb, "--quiet", "--disable-pip-version-check", *arguments]
    try:
        done = subprocess.run(
            argv,
            env={**os.environ, **(extra or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BuildError(f"pip {verb} did not end within {_SECONDS} s; {_REMEDY}") from None
    if done.returncode != 0:
        words = done.stdout.decode(errors="replace").strip().splitlines()
        raise BuildError(f"pip {verb} failed on the controller: {' | '.join(words[-4:])}; {_REMEDY}")


_REMEDY = "install pip beside ansible's Python, or fill a folder with the wheels and name it as wheelhouse"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
