# SPDX-License-Identifier: GPL-3.0-or-later
"""Rulesets with known answers, as nft itself lists them in a throw-away namespace."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.alertpath.smtp.plugins.module_utils.firewall import model, render
from ansible_collections.alertpath.smtp.plugins.module_utils.proof import report
from ansible_collections.alertpath.smtp.plugins.module_utils.proof.analyse import analyse
from ansible_collections.alertpath.smtp.plugins.module_utils.proof.gather import gather
from ansible_collections.alertpath.smtp.plugins.module_utils.proof.model import Loaded

ROOT = Path(__file__).resolve().parents[5]
PORTS = [25, 465, 587]
HERE, THERE, OTHER = "10.0.0.1", "10.0.1.1", "10.0.2.1"
DECLARED = [{"source": HERE, "destination": THERE, "port": 587, "path": "p"}]
OURS = render.render(model.from_options({"ports": PORTS, "egress": DECLARED})).text


def loaded(text):
    """What gather reads in a namespace in which *text* is loaded."""
    script = (
        "import pickle, subprocess, sys; "
        "subprocess.run(['nft', '-f', '-'], input=sys.stdin.buffer.read(), check=True); "
        f"from {gather.__module__} import gather; sys.stdout.buffer.write(pickle.dumps(tuple(gather())))"
    )
    argv = ["unshare", "--net", sys.executable, "-c", script]
    env = {**os.environ, "PYTHONPATH": str(ROOT / "collections")}
    done = subprocess.run(argv, input=text.encode(), env=env, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return Loaded(*pickle.loads(done.stdout))


def chain(rules, hook="output", kind="filter", priority=0, policy="accept", more=""):
    body = "\n".join(rules)
    head = f"type {kind} hook {hook} priority {priority}; policy {policy};"
    return f"table inet t {{\n{more}\nchain c {{\n{head}\n{body}\n}}\n}}\n"


SET = "type ipv4_addr; flags interval; elements = { 10.0.1.0/25 }"
CASES = {
    "a drop": (["ip daddr 10.0.1.1 tcp dport 25 drop"], "", (False, False)),
    "an accept above it": (["ip daddr 10.0.1.0/24 accept", "tcp dport 25 drop"], "", (True, True)),
    "a goto comes not back": (["goto u", "drop"], "chain u {\n}\n", (True, True)),
    "a jump comes back": (["jump u", "drop"], "chain u {\nreturn\n}\n", (False, False)),
    "a negation": (["ip daddr != 10.0.1.1 accept", "drop"], "", (False, False)),
    "a set": (["ip daddr @s drop"], f"set s {{\n{SET}\n}}\n", (False, False)),
    "a verdict map": (["ip daddr . tcp dport vmap { 10.0.1.1 . 25 : drop }"], "", (False, False)),
    "a mark": (["meta mark set 0x10", "meta mark & 0x30 == 0x10 drop"], "", (False, False)),
    "a new connection": (["ct state established accept", "ct state new drop"], "", (False, False)),
    "a rate limit": (["limit rate 1/second accept", "drop"], "", (True, False)),
    "another port": (["tcp dport 465 drop"], "", (True, True)),
    "the other family": (["meta nfproto ipv6 drop"], "", (True, True)),
}


@pytest.mark.parametrize("name", CASES)
def test_known_answers(name):
    rules, more, (may, must) = CASES[name]
    found = analyse(loaded(chain(rules, more=more)), PORTS).decide("egress", HERE, THERE, 25)
    assert (found.may, found.must) == (may, must)


def test_our_own_rules_are_proved():
    found = report.prove(loaded(OURS), {"ports": PORTS, "egress": DECLARED})
    assert found["passed"], found["summary"]


def test_what_another_table_blocks_is_named():
    found = report.prove(loaded(OURS + chain(["ip daddr 10.0.1.0/24 drop"])), {"ports": PORTS, "egress": DECLARED})
    (missing,) = found["missing"]
    assert (missing["destination"], missing["port"]) == (THERE, 587)
    assert (missing["certainty"], missing["paths"]) == ("must", ["p"])
    assert [(by["family"], by["table"], by["chain"]) for by in missing["by"]] == [("inet", "t", "c")]
    assert missing["by"][0]["handle"] > 0


def test_a_hole_in_our_rules_is_excess():
    hole = "insert rule inet alertpath output ip daddr 10.0.2.1 tcp dport 25 accept\n"
    found = report.prove(loaded(OURS + hole), {"ports": PORTS, "egress": DECLARED})
    (excess,) = [entry for entry in found["excess"] if entry["destination"] == OTHER]
    assert (excess["direction"], excess["port"], excess["certainty"]) == ("egress", 25, "must")
    assert not found["passed"]


def test_a_redirect_is_interception():
    redirect = chain(["tcp dport 587 redirect to :2525"], kind="nat", priority=-100)
    found = report.prove(loaded(OURS + redirect), {"ports": PORTS, "egress": DECLARED})
    assert {entry["port"] for entry in found["intercepted"]} == {587}
    assert not found["passed"]


def test_a_shadowed_rule_is_an_anomaly():
    shadowed = chain(["tcp dport 25 drop", "ip daddr 10.0.1.1 tcp dport 25 accept"])
    found = report.prove(loaded(shadowed), {"ports": PORTS})
    assert any("10.0.1.1" in entry["rule"]["rule"] for entry in found["anomalies"])
