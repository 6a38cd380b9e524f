# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the library as a module does: questions as JSON in, verdicts out. For any Python from 3.8 on."""

import concurrent.futures.thread  # noqa: F401 (what is imported late is out of reach without privileges)
import encodings.idna  # noqa: F401
import json
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "collections"))

from ansible_collections.alertpath.smtp.plugins.module_utils.locate.locate import Question, locate_all


def main() -> None:
    asked = json.load(sys.stdin)
    if asked["unprivileged"]:
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
    began = time.monotonic()
    questions = [
        Question(q["destination"], q["port"], q["source"], tuple(q["control_ports"])) for q in asked["questions"]
    ]
    verdicts = locate_all(questions, asked["budget"], asked["at_once"])
    seconds = time.monotonic() - began
    json.dump({"verdicts": [verdict.as_dict() for verdict in verdicts], "seconds": seconds}, sys.stdout)


main()
