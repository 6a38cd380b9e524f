# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter cloud_rules."""

from __future__ import annotations

import json
from typing import Any

import jmespath
import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.alertpath.smtp.plugins.filter.cloud_rules import FilterModule

from ..plugin_utils.outputs.audit_samples import plan

cloud_rules = FilterModule().filters()["cloud_rules"]


def test_it_gives_plain_data() -> None:
    found = cloud_rules(plan(), "aws", names="vaults", today="2026-11-23")
    assert json.loads(json.dumps(found)) == found
    assert jmespath.search("groups[0].egress[?FromPort==`587`].IpRanges[].CidrIp", found) == ["10.77.30.11/32"]
    found = cloud_rules(plan(), "azure", "host", ["vault1"], "200", "2026-11-23")
    assert jmespath.search("groups[0].securityRules[0].properties.priority", found) == 200


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"plan": {}}, "cloud_rules: digest is missing; give what alertpath.smtp.smtp_plan returned"),
        ({"today": "soon"}, "cloud_rules: today 'soon' is not a date"),
        ({"provider": "gcp"}, "cloud_rules: provider: gcp is not a choice; say one of aws, azure"),
        ({"names": ["x"]}, "cloud_rules: names: x is no zone of the plan"),
        ({"priority": "first"}, "cloud_rules: priority 'first' is not a number; write one from 100 to 4096"),
    ],
)
def test_it_refuses_with_the_remedy(given: dict[str, Any], words: str) -> None:
    with pytest.raises(AnsibleFilterError, match=words):
        cloud_rules(**{"plan": plan(), "provider": "aws", **given})
