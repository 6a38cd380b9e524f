# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a message cannot be looked into."""

from __future__ import annotations


class Ambiguous(Exception):
    """Two readers could see two different messages, or a reader could see what we cannot. The text holds no content."""
