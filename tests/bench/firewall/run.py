# SPDX-License-Identifier: GPL-3.0-or-later
"""How long applying rules takes, as ratios to a bare `nft -f` of the same rules, in a namespace of its own.

Each round runs the bare load and ours in turn, so that a busy machine slows both; the best times of all rounds are
compared. Exits with 1 when loading 10,000 addresses takes longer than the limit.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "collections"))

from ansible_collections.alertpath.smtp.plugins.module_utils.firewall import model, render
from ansible_collections.alertpath.smtp.plugins.module_utils.firewall.firewall import Firewall

ROUNDS = 9
LIMIT = 1.3


def options(count: int, salt: int, wide: bool) -> dict[str, object]:
    """*count* rules; *salt* makes another set of the same size; *wide* takes networks instead of addresses."""
    rules = [
        {
            "path": f"path-{number // 100}",
            "source": f"10.{number // 200}.{number % 200}.{0 if wide else salt + 1}{'/24' if wide else ''}",
            "destination": f"10.250.{salt}.{number % 50 + 1}",
            "port": 587,
        }
        for number in range(count)
    ]
    return {"ports": [25, 465, 587], "egress": rules}


def seconds(what: Callable[[], object]) -> float:
    start = time.perf_counter()
    what()
    return time.perf_counter() - start


def flush() -> None:
    subprocess.run(["nft", "flush", "ruleset"], check=True)


def bare(path: Path) -> None:
    subprocess.run(["nft", "-f", str(path)], check=True)


def measure(count: int, wide: bool, folder: Path) -> dict[str, float]:
    """Return the best time of each step in seconds, those of the bare load first."""
    rulesets = [model.from_options(options(count, salt, wide)) for salt in (0, 1)]
    files = [folder / f"rules{salt}.nft" for salt in (0, 1)]
    for path, ruleset in zip(files, rulesets, strict=True):
        path.write_text(render.render(ruleset).text)
    found: dict[str, list[float]] = {}

    def note(name: str, what: Callable[[], object]) -> None:
        found.setdefault(name, []).append(seconds(what))

    for number in range(ROUNDS):
        this, other = number % 2, (number + 1) % 2
        note("reading the options", lambda this=this: model.from_options(options(count, this, wide)))
        note("rendering", lambda this=this: render.render(rulesets[this]))
        for persist, name in ((False, "loaded"), (True, "loaded and persisted")):
            firewall = Firewall(persist=persist)
            flush()
            note("bare, first", lambda this=this: bare(files[this]))
            note("bare, change", lambda other=other: bare(files[other]))
            flush()
            note(f"{name}, first", lambda f=firewall, this=this: f.present(rulesets[this]))
            note(f"{name}, unchanged", lambda f=firewall, this=this: f.present(rulesets[this]))
            note(f"{name}, change", lambda f=firewall, other=other: f.present(rulesets[other]))
    return {name: min(values) for name, values in found.items()}


def main() -> int:
    good = True
    with tempfile.TemporaryDirectory() as folder:
        for count, wide in ((50, False), (1000, False), (10_000, False), (10_000, True)):
            best = measure(count, wide, Path(folder))
            first, change = best.pop("bare, first"), best.pop("bare, change")
            kind = "networks" if wide else "addresses"
            print(
                f"{count} {kind}: bare nft -f {first * 1000:.0f} ms on an empty host, {change * 1000:.0f} ms on another"
            )
            for name, value in best.items():
                peer = change if name.endswith("change") else first
                print(f"  {name:32} {value * 1000:7.1f} ms  {value / peer:5.2f} x")
                if count == 10_000 and not wide and name in ("loaded, first", "loaded, change"):
                    good = good and value / peer <= LIMIT
    print("within" if good else "beyond", f"{LIMIT} x of bare nft -f for loading 10,000 addresses")
    return 0 if good else 1


def enter_namespaces() -> None:
    """Run this script again where neither this machine's rules nor its files are touched."""
    mounts = (
        'd=$(mktemp -d) && mount -t tmpfs none "$d" && mkdir "$d/up" "$d/work" && '
        'mount -t overlay overlay -o "lowerdir=/etc,upperdir=$d/up,workdir=$d/work" /etc && '
        'mount -t tmpfs none /run && umount -l "$d" && rmdir "$d" && exec "$@"'
    )
    words = ["unshare", "--net", "--mount", "sh", "-c", mounts, "sh", sys.executable, __file__]
    os.execvpe("unshare", words, {**os.environ, "ALERTPATH_BENCH": "inside"})


if __name__ == "__main__":
    if os.environ.get("ALERTPATH_BENCH") != "inside":
        enter_namespaces()
    sys.exit(main())
