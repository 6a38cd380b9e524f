# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the library as the module does: targets and settings as JSON in, rows as JSON out. For any Python from 3.8 on."""

import json
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "collections"))

from ansible_collections.alertpath.smtp.plugins.module_utils.probe import options, tls
from ansible_collections.alertpath.smtp.plugins.module_utils.probe.matrix import probe

if os.environ.get("WITHOUT_MESSAGES"):  # as on a Python that does not show the messages of a handshake
    tls._Watched.watched = False
    tls._watch = None
_EMPTY = dict.fromkeys(options.ARGUMENT_SPEC["targets"]["options"])


def main() -> None:
    asked = json.load(sys.stdin)
    defaults = {name: spec.get("default") for name, spec in options.ARGUMENT_SPEC.items()}
    targets = [{**_EMPTY, "expect": "allowed", **target} for target in asked["targets"]]
    params = {**defaults, **asked["settings"], "targets": targets}
    began = time.monotonic()
    evidences = options.placed(probe(options.targets(params), options.settings(params)), params)
    seconds = time.monotonic() - began
    # Not ru_maxrss: it counts what the program that started this one had in memory.
    status = Path("/proc/self/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    json.dump({**options.result(evidences), "seconds": seconds, "peak_mb": peak}, sys.stdout)


main()
