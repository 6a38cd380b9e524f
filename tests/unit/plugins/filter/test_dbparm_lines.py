# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter dbparm_lines."""

from __future__ import annotations

import json

import jmespath
import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.alertpath.smtp.plugins.filter.dbparm_lines import FilterModule

from ..plugin_utils.outputs.audit_samples import plan

dbparm_lines = FilterModule().filters()["dbparm_lines"]


def test_it_gives_plain_data() -> None:
    found = dbparm_lines(plan(), "vault1")
    assert json.loads(json.dumps(found)) == found
    assert jmespath.search("hosts.vault1.lines[0]", found).startswith("AllowNonStandardFWAddresses=[10.77.30.")
    assert dbparm_lines(plan(), enabled=False)["hosts"]["vault1"]["lines"] == []


def test_it_refuses_with_the_remedy() -> None:
    with pytest.raises(AnsibleFilterError, match="dbparm_lines: hosts is missing; give what"):
        dbparm_lines({})
    with pytest.raises(AnsibleFilterError, match="dbparm_lines: nobody: names: nobody is no host of the plan"):
        dbparm_lines(plan(), ["nobody"])
