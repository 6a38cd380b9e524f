# SPDX-License-Identifier: GPL-3.0-or-later
"""The nftables output on a real kernel, in a network namespace of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import Any

import pytest
from ansible_collections.alertpath.smtp.plugins.plugin_utils.outputs.perimeter import acl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .perimeter_samples import TODAY, plan, plans, way

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("nft") or not shutil.which("unshare"), reason="needs root, nft and unshare"
)


def loaded(text: str, times: int, tmp: Any, extra: str = "") -> str:
    """The ruleset after loading *text* so many times on top of *extra*."""
    (tmp / "acl.nft").write_text(text)
    (tmp / "extra.nft").write_text(extra)
    steps = [f"nft -f {tmp}/extra.nft", *[f"nft -f {tmp}/acl.nft"] * times, "nft -s list ruleset"]
    done = subprocess.run(
        ["unshare", "--net", "sh", "-ec", "\n".join(steps)], capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(made_from=plans(), rest=st.sampled_from(["none", "permit", "deny"]))
def test_the_kernel_takes_it_and_loading_it_again_changes_nothing(
    tmp_path: Any, made_from: dict[str, Any], rest: str
) -> None:
    text = acl(made_from, "nftables", TODAY, rest=rest)["text"]
    once = loaded(text, 1, tmp_path)
    assert "chain alertpath-final-deny" in once
    assert loaded(text, 3, tmp_path) == once


def test_others_tables_stay(tmp_path: Any) -> None:
    theirs = "table inet filtering_policies {\n\tchain mine {\n\t\ttcp dport 25 drop\n\t}\n}\n"
    text = acl(plan([way("a", ["192.0.2.1"], ["::/0", "192.0.2.2"], [25])]), "nftables", TODAY)["text"]
    assert theirs in loaded(text, 2, tmp_path, theirs)


def test_the_hook_and_its_priority_can_be_chosen(tmp_path: Any) -> None:
    made = acl(plan([]), "nftables", TODAY, options="output 5", rest="deny", name="edge-out")
    found = loaded(made["text"], 1, tmp_path)
    assert "table inet edge_out {" in found
    assert "hook output priority filter + 5; policy drop;" in found
