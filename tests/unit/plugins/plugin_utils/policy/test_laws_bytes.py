# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans of random worlds are the same bytes in every process, and twice in one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from ansible_collections.alertpath.smtp.plugins.plugin_utils.policy.compile import compile_policy
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from .conftest import TODAY
from .worlds import SmallWorld, worlds

CODE = """
import json, sys
from tests.unit.plugins.plugin_utils.policy.conftest import TODAY, compile_policy, make_host
for raw, hosts in json.load(sys.stdin):
    made = [make_host(name, *addresses, groups=tuple(groups)) for name, addresses, groups in hosts]
    print(json.dumps(compile_policy(raw, made, TODAY).as_dict()))
"""


def written(world: SmallWorld) -> list[object]:
    hosts = [(h.name, [str(block) for block in h.addresses], sorted(h.groups)) for h in world.hosts]
    return [world.raw, hosts]


@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
@given(st.lists(worlds(), min_size=10, max_size=10))
def test_every_process_makes_the_same_bytes(many: list[SmallWorld]) -> None:
    """Sets of text come in another order in every process."""
    root = Path(__file__).parents[5]
    given_worlds = json.dumps([written(world) for world in many])
    outputs = {
        subprocess.run(
            [sys.executable, "-c", CODE],
            input=given_worlds,
            cwd=root,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": f"{root}:{root / 'collections'}"},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "4294967295")
    }
    assert outputs == {"".join(json.dumps(world.plan.as_dict()) + "\n" for world in many)}


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(worlds())
def test_compiling_again_makes_the_same_bytes_and_leaves_the_policy_as_it_was(world: SmallWorld) -> None:
    before = json.dumps(world.raw)
    again = compile_policy(world.raw, reversed(world.hosts), TODAY)
    assert json.dumps(again.as_dict()) == json.dumps(world.plan.as_dict())
    assert json.dumps(world.raw) == before
