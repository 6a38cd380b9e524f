# SPDX-License-Identifier: GPL-3.0-or-later
"""Run `ansible-test sanity` on what users get: the built collection, unpacked where ansible-test wants it.

ansible-test fetches pip's bootstrap script from a host of its own. Where that host cannot be reached, a script
of the same purpose is put in its place: the interpreter's own ensurepip, then pip.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import tempfile
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

BOOTSTRAP = '''\
"""Make pip available by ensurepip, then install what is asked for."""
import os
import subprocess
import sys

subprocess.check_call([sys.executable, "-m", "ensurepip", "--upgrade"], stdout=subprocess.DEVNULL)
arguments = [a for a in sys.argv[1:] if a not in ("--no-setuptools", "--no-wheel")]
env = {k: v for k, v in os.environ.items() if k != "GET_PIP"}
sys.exit(subprocess.call([sys.executable, "-m", "pip", "install", *arguments], env=env))
'''


def bootstrap_pip() -> None:
    """Put BOOTSTRAP where ansible-test keeps the bootstrap scripts that it has downloaded, unless it has one."""
    spec = find_spec("ansible_test")
    if spec is None or not spec.submodule_search_locations:
        sys.exit("ansible-test is not installed beside this Python")
    source = Path(spec.submodule_search_locations[0]) / "_internal" / "python_requirements.py"
    cache = Path("~/.ansible/test/cache").expanduser()
    cache.mkdir(parents=True, exist_ok=True)
    for version in re.findall(r"pip='(\d+(?:\.\d+)+)'", source.read_text()):
        script = cache / f"get_pip_{version.replace('.', '_')}.py"
        if not script.exists():
            script.write_text(BOOTSTRAP)


def unpack_collection(folder: Path) -> Path:
    """Build the collection and unpack it under *folder*; return its root."""
    subprocess.run(
        ["ansible-galaxy", "collection", "build", str(ROOT), "--output-path", str(folder), "--force"], check=True
    )
    (archive,) = folder.glob("alertpath-smtp-*.tar.gz")
    target = folder / "ansible_collections" / "alertpath" / "smtp"
    target.mkdir(parents=True)
    with tarfile.open(archive) as tar:
        tar.extractall(target, filter="data")
    return target


def main() -> int:
    bootstrap_pip()
    with tempfile.TemporaryDirectory(prefix="alertpath-sanity-") as name:
        root = unpack_collection(Path(name))
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        argv = ["ansible-test", "sanity", "--venv", "--python", version, "--color", "no", *sys.argv[1:]]
        return subprocess.run(argv, cwd=root, env={**os.environ, "HOME": os.environ["HOME"]}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
