# SPDX-License-Identifier: GPL-3.0-or-later
"""The tunnel as a host has it: a release, installed by what the role installs it with, on Debian's own Python.

A Python that was built for this machine's tests need not be as fast as the one that carries mail.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from ansible_collections.alertpath.smtp.plugins.plugin_utils.wheels.build import wheelhouse
from ansible_collections.alertpath.smtp.plugins.plugin_utils.wheels.compiled import controller, require_fit
from ansible_collections.alertpath.smtp.plugins.plugin_utils.wheels.source import Source
from ansible_collections.alertpath.smtp.plugins.plugin_utils.wheels.target import Target

ROOT = Path(__file__).resolve().parents[4]
SYSTEM = "/usr/bin/python3"
_HOST = """
import json, pathlib, sys
sys.path.insert(0, sys.argv[1])
from ansible_collections.alertpath.smtp.plugins.module_utils.tunnel import release
if len(sys.argv) > 2:
    release.Releases(pathlib.Path(sys.argv[2])).install(sys.argv[3], pathlib.Path(sys.argv[4]))
else:
    print(json.dumps(release.interpreter()))
"""


def python(compiled: bool) -> Path:
    """Return the Python of the installed release."""
    return _home(compiled) / "current" / "bin" / "python"


def install(compiled: bool) -> None:
    """Make the release of this checkout the current one. Raises what building and installing raise."""
    target = Target.of(json.loads(_on_host()))
    if compiled:
        require_fit(target, controller())
    wheels = wheelhouse(Source.read(), target, compiled)
    _on_host(str(_home(compiled)), wheels.name, str(wheels))


def _home(compiled: bool) -> Path:
    return ROOT / ".cache" / "bench" / ("release-compiled" if compiled else "release")


def _on_host(*arguments: str) -> str:
    argv = [SYSTEM, "-I", "-c", _HOST, str(ROOT / "collections"), *arguments]
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=sys.stderr, text=True, timeout=300, check=True)
    return done.stdout
