# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways that a message can take from the generator to the sink."""
