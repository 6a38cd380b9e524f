# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads JSON as strictly as a configuration is to be read, wherever it stands."""

from __future__ import annotations

import json


class NotJson(Exception):
    """The text is no JSON, or says two things at once."""


def read_json(text: str) -> object:
    """Return what `text` says. Raises NotJson, also for a key that stands twice in one object."""
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise NotJson(str(error)) from error


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise NotJson(f"the key {key} stands twice in one object")
        found[key] = value
    return found
