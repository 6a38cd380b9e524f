# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read YAML strictly: a key given twice is an error, not a silent replacement."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path

import yaml

from .errors import LabError


class _StrictLoader(yaml.SafeLoader):
    """PyYAML's safe loader, which refuses duplicate keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, object]:
        seen: set[object] = set()
        for key_node, _value in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable) and key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key!r} is given twice; keep one of them", key_node.start_mark
                )
            if isinstance(key, Hashable):
                seen.add(key)
        return super().construct_mapping(node, deep=deep)


def load(path: Path) -> object:
    """Return the document in the file *path*; raises LabError when it cannot be read or is not YAML."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise LabError(f"{path}: cannot be read: {error.strerror}; name another file with --topology") from error
    except UnicodeDecodeError as error:
        raise LabError(f"{path}: is not UTF-8 text: {error}") from error
    return loads(text, str(path))


def loads(text: str, source: str) -> object:
    """Return the document in *text*; *source* names it in errors."""
    try:
        return yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - derived from the safe loader
    except yaml.YAMLError as error:
        raise LabError(f"{source}: is not valid YAML: {error}") from error
