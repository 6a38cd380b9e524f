# SPDX-License-Identifier: GPL-3.0-or-later
"""Run every part of the test suite and count what passed.

Two lanes run side by side: what needs the lab, and what does not. Each part leaves a log under .cache/test/.
The last line is `N passed, N failed` over all parts; a part that did not run counts as failed, and so does a
test that was skipped.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOGS = ROOT / ".cache" / "test"
OLDEST = ROOT / ".cache" / "env" / "2.19" / "bin"
NEWEST = ROOT / ".cache" / "env" / "2.21" / "bin"


@dataclass(frozen=True)
class Part:
    """One part of the suite: a command in the checkout, and how its result is counted."""

    name: str
    lane: str
    argv: tuple[str, ...]
    bin: Path = OLDEST
    cwd: Path = ROOT
    limit: float = 1800.0
    """Seconds after which the part counts as hung."""
    junit: bool = False
    """The command is pytest: its JUnit file is counted, test by test."""
    env: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What a part came to."""

    part: Part
    passed: int
    failed: int
    seconds: float
    why: str = ""


def pytest(*paths: str) -> tuple[str, ...]:
    return ("pytest", "-p", "no:cacheprovider", *paths)


def suite() -> list[Part]:
    """Every part, in the order of its lane."""
    libraries = ("plugins/module_utils", "plugins/plugin_utils")
    spaces = ("firewall", "probe", "locate")
    parts = [
        Part("ruff", "host", ("ruff", "check", "--no-cache", ".")),
        Part("format", "host", ("ruff", "format", "--no-cache", "--check", ".")),
        Part("mypy", "host", ("mypy", *libraries), env={"MYPYPATH": "collections"}),
        Part("mypy-lab", "host", ("mypy", "alertpath_lab"), cwd=ROOT / "lab"),
        Part("mypy-tunnel", "host", ("mypy", "src"), cwd=ROOT / "tunnel"),
        Part("unit", "host", pytest("tests/unit"), junit=True),
        Part("tunnel", "host", pytest("tests"), cwd=ROOT / "tunnel", junit=True),
        Part("tunnel-compiled", "host", ("python", "tests/compiled_tunnel.py", *pytest("tests")[1:]), junit=True),
        Part("lint", "host", ("ansible-lint", "--profile", "production", "--offline", "-q")),
        Part("sanity-2.19", "host", ("python", "tests/sanity/run.py")),
        Part("namespaces", "lab", pytest(*(f"tests/integration/{name}" for name in spaces)), junit=True),
        Part("proof", "lab", pytest("tests/integration/proof"), junit=True),
        Part("report", "host", pytest("tests/integration/report"), junit=True),
        Part("mail-servers", "host", pytest("tests/integration/mail_servers"), junit=True),
        Part("postfix", "host", pytest("tests/integration/postfix"), junit=True),
        Part("lab", "lab", pytest("tests/integration/lab"), junit=True),
        Part("commit-confirm", "lab", pytest("tests/integration/commit_confirm"), junit=True),
        Part("coexistence", "lab", pytest("tests/integration/coexistence"), junit=True),
        Part("tunnel-role", "lab", pytest("tests/integration/tunnel_role"), junit=True),
        Part("molecule", "lab", ("python", "tests/molecule.py"), limit=3600),
        Part("deploy", "lab", pytest("tests/integration/deploy"), junit=True),
    ]
    if NEWEST.exists():
        parts += [
            Part("unit-2.21", "host", pytest("tests/unit"), bin=NEWEST, junit=True),
            Part("sanity-2.21", "host", ("python", "tests/sanity/run.py"), bin=NEWEST),
        ]
    return parts


def count(part: Part, report: Path, returncode: int) -> tuple[int, int, str]:
    """Return (passed, failed, why) of a finished part."""
    if not part.junit:
        return (1, 0, "") if returncode == 0 else (0, 1, f"exit {returncode}")
    if not report.exists():
        return 0, 1, f"exit {returncode}, no report"
    suites = list(ET.parse(report).getroot().iter("testsuite"))  # our own file
    total, bad, skipped = (
        sum(sum(int(s.get(key, 0)) for key in keys) for s in suites)
        for keys in (("tests",), ("failures", "errors"), ("skipped",))
    )
    failed = bad + skipped
    if returncode != 0:
        failed = max(failed, 1)
    if total == 0:
        return 0, 1, "no test ran"
    return max(total - failed, 0), failed, f"{skipped} skipped" if skipped else ""


def run(part: Part) -> Outcome:
    """Run one part to its end or its limit; its processes end with it."""
    start = time.monotonic()
    log = LOGS / f"{part.name}.log"
    report = LOGS / f"{part.name}.xml"
    argv = [*part.argv, f"--junitxml={report}"] if part.junit else list(part.argv)
    env = {**os.environ, **part.env, "PATH": f"{part.bin}:{os.environ['PATH']}", "PYTHONDONTWRITEBYTECODE": "1"}
    env.pop("ANSIBLE_CONFIG", None)
    with log.open("wb") as stream:
        try:
            process = subprocess.Popen(
                argv,
                cwd=part.cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )
        except OSError as error:
            return Outcome(part, 0, 1, 0.0, f"{argv[0]}: {error.strerror}")
        try:
            returncode = process.wait(part.limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return Outcome(part, 0, 1, time.monotonic() - start, f"ended after {part.limit:g} s")
    return Outcome(part, *_ordered(count(part, report, returncode), time.monotonic() - start))


def _ordered(counted: tuple[int, int, str], seconds: float) -> tuple[int, int, float, str]:
    passed, failed, why = counted
    return passed, failed, seconds, why


def tell(outcome: Outcome, lock: threading.Lock) -> None:
    """Print one line for a part, and the end of its log when it failed."""
    with lock:
        mark = "FAILED" if outcome.failed else "ok"
        note = f"  ({outcome.why})" if outcome.why else ""
        figures = f"{outcome.passed:>5} passed {outcome.failed:>3} failed {outcome.seconds:>7.1f} s"
        print(f"{outcome.part.name:<14} {mark:<7} {figures}{note}", flush=True)
        log = LOGS / f"{outcome.part.name}.log"
        if outcome.failed and log.exists():
            lines = log.read_text(errors="replace").splitlines()[-60:]
            print("\n".join(f"    | {line}" for line in lines), flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", help="only these parts (see --list)")
    parser.add_argument("--list", action="store_true", help="list the parts and end")
    parser.add_argument("--serial", action="store_true", help="one lane after the other")
    options = parser.parse_args()
    parts = suite()
    if options.list:
        print("\n".join(f"{part.lane:<5} {part.name:<14} {' '.join(part.argv)}" for part in parts))
        return 0
    unknown = set(options.parts) - {part.name for part in parts}
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}; --list shows them")
    chosen = [part for part in parts if not options.parts or part.name in options.parts]

    shutil.rmtree(LOGS, ignore_errors=True)
    LOGS.mkdir(parents=True)
    lock = threading.Lock()
    outcomes: list[Outcome] = []

    def lane(members: list[Part]) -> None:
        for part in members:
            outcome = run(part)
            outcomes.append(outcome)
            tell(outcome, lock)

    lanes = [[part for part in chosen if part.lane == name] for name in ("host", "lab")]
    threads = [threading.Thread(target=lane, args=(members,)) for members in lanes]
    start = time.monotonic()
    for thread in threads:
        thread.start()
        if options.serial:
            thread.join()
    for thread in threads:
        thread.join()
    passed = sum(outcome.passed for outcome in outcomes)
    failed = sum(outcome.failed for outcome in outcomes) + (len(chosen) - len(outcomes))
    seconds = time.monotonic() - start
    print(f"{len(outcomes)} of {len(chosen)} parts ran, {seconds:.0f} s; logs in {LOGS.relative_to(ROOT)}/")
    summary = f"{passed} passed, {failed} failed"
    (LOGS / "summary").write_text(f"{summary}\n")
    print(summary, flush=True)
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
