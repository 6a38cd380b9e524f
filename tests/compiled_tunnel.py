# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the tunnel's tests on the compiled service, as tunnel_release makes it. Arguments go to pytest.

The tests are the same as those of the source; the source itself is not in their path.
"""

from __future__ import annotations

import os
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "collections"))

from ansible_collections.alertpath.smtp.plugins.plugin_utils.wheels.build import wheelhouse
from ansible_collections.alertpath.smtp.plugins.plugin_utils.wheels.compiled import controller
from ansible_collections.alertpath.smtp.plugins.plugin_utils.wheels.source import Source


def package() -> Path:
    """Return a folder with the compiled package, to be put in PYTHONPATH; built unless it is there already."""
    wheels = wheelhouse(Source.read(), controller(), compiled=True)
    (wheel,) = wheels.glob("alertpath_tunnel-*.whl")
    folder = ROOT / ".cache" / "compiled" / wheels.name
    if not folder.exists():
        staged = folder.with_name(f"{folder.name}.{os.getpid()}")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(staged)
        staged.rename(folder)
    return folder


def main() -> None:
    folder = package()
    print(f"the tunnel's tests on {folder}", flush=True)
    os.chdir(ROOT / "tunnel")
    paths = f"pythonpath={folder} {ROOT / 'tunnel' / 'tests'}"
    os.execvp("pytest", ["pytest", "-o", paths, *sys.argv[1:]])


if __name__ == "__main__":
    main()
