# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Data elements as the configuration describes them."""

from __future__ import annotations

from dataclasses import dataclass

METHODS = ("mask", "hash", "tokenize")


@dataclass(frozen=True, slots=True)
class DataElement:
    """A named way to protect a value. Keys are read later, from `key_file`."""

    name: str
    method: str
    separators: str  # drop or keep: what becomes of characters that are neither letter nor digit
    keep_first: int = 0  # mask: letters and digits left in clear at either end
    keep_last: int = 0
    character: str = "*"
    length: int = 16  # hash: hexadecimal digits
    key_file: str | None = None
    at: str = "$"  # where the key's path stands in the configuration
