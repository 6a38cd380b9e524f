# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.alertpath.smtp.plugins.plugin_utils.outputs.audit import audit
from ansible_collections.alertpath.smtp.plugins.plugin_utils.outputs.audit_document import document
from ansible_collections.alertpath.smtp.plugins.plugin_utils.outputs.audit_proof import NotEvidence
from ansible_collections.alertpath.smtp.plugins.plugin_utils.outputs.documents_html import page
from ansible_collections.alertpath.smtp.plugins.plugin_utils.outputs.documents_markdown import markdown
from ansible_collections.alertpath.smtp.plugins.plugin_utils.outputs.documents_plan import NotAPlan, day

_FORMS = ("data", "markdown", "html")


def policy_audit(plan: Any, form: str = "data", evidence: Any = None, today: Any = None, times: Any = None) -> Any:
    """Say of every rule of a plan who answers for it, who enforces it, and what proves it."""
    if form not in _FORMS:
        raise AnsibleFilterError(f"policy_audit: form is {form!r}; say one of {', '.join(_FORMS)}")
    try:
        found = audit(plan, evidence, day(today, "today") or datetime.datetime.now(tz=datetime.UTC).date(), times)
    except (NotAPlan, NotEvidence) as wrong:
        raise AnsibleFilterError(f"policy_audit: {wrong}") from wrong
    if form == "data":
        return found.as_dict()
    return page(document(found)) if form == "html" else markdown(document(found))


class FilterModule:
    """The filter policy_audit."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"policy_audit": policy_audit}
