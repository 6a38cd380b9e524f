# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the data elements."""

from __future__ import annotations

from alertpath_tunnel.config.fields import Fields
from alertpath_tunnel.config.tunnels import file_field
from alertpath_tunnel.protect.model import METHODS, DataElement

_SEPARATORS = ("drop", "keep")


def read_element(fields: Fields) -> DataElement:
    """Read one data element. DSG allows names of 55 characters."""
    name = fields.string("name", longest=55)
    method = fields.choice("method", METHODS)
    key = file_field(fields, "key_file", required=True) if method in ("hash", "tokenize") else None
    element = DataElement(
        name=name,
        method=method,
        separators=fields.choice("separators", _SEPARATORS, "keep" if method == "tokenize" else "drop"),
        keep_first=fields.integer("keep_first", 0, 64, 0) if method == "mask" else 0,
        keep_last=fields.integer("keep_last", 0, 64, 0) if method == "mask" else 0,
        character=_character(fields) if method == "mask" else "*",
        length=fields.integer("length", 8, 64, 16) if method == "hash" else 16,
        key_file=key.name if key else None,
        at=key.at if key else fields.path,
    )
    fields.close()
    return element


def _character(fields: Fields) -> str:
    value = fields.string("character", "*")
    if len(value) != 1 or not value.isascii() or value.isalnum() or value in "=?_<>&\"'\\":
        fields.wrong("character", "cannot mask", "use one ASCII mark such as * or #")
        return "*"
    return value
