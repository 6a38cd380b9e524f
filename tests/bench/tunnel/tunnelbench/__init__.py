# SPDX-License-Identifier: GPL-3.0-or-later
"""What carrying mail costs: the tunnel beside other ways between the same generator and the same sink."""
