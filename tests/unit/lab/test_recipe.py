# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One recipe, one tree: the name follows the content, and the machine's mirrors are used but not part of it."""

from __future__ import annotations

from pathlib import Path

from alertpath_lab import recipe
from alertpath_lab.topology import Base

DEB822 = """\
# Debian itself
Types: deb deb-src
URIs: https://mirror.example/debian
Suites: bookworm bookworm-updates trixie
Components: main
 contrib
Signed-By: /usr/share/keyrings/debian.gpg

Types: deb
URIs: https://mirror.example/debian-security
Suites: bookworm-security
Components: main
Enabled: no

Types: deb
URIs: https://tools.example/apt
Suites: bookworm
Components: main
"""
ONE_LINE = """\
# deb https://mirror.example/debian bookworm main
deb [arch=amd64 signed-by=/k.gpg] https://mirror.example/debian bookworm main contrib # as installed
deb-src https://mirror.example/debian bookworm main
deb https://mirror.example/debian-security bookworm-security main
"""


def test_the_name_follows_the_content() -> None:
    one, two = Base("bookworm", ("postfix",)), Base("bookworm", ("postfix", "ufw"))
    assert recipe.digest(one, "x86_64") == recipe.digest(one, "x86_64")
    names = {recipe.digest(one, "x86_64"), recipe.digest(two, "x86_64"), recipe.digest(one, "aarch64")}
    assert len(names) == 3


def test_the_order_of_packages_is_no_difference() -> None:
    assert recipe.digest(Base("s", ("a1", "b1")), "x") == recipe.digest(Base("s", ("b1", "a1")), "x")


def test_packages_hold_the_labs_own() -> None:
    assert set(recipe.ESSENTIAL) < set(recipe.packages(Base("bookworm", ("ufw",))))


def test_sources_in_deb822_format() -> None:
    assert recipe.debian_sources([("debian.sources", DEB822)], "bookworm") == [
        f"deb [signed-by=/usr/share/keyrings/debian.gpg] https://mirror.example/debian {suite} main contrib"
        for suite in ("bookworm", "bookworm-updates")
    ]


def test_sources_in_one_line_format() -> None:
    assert recipe.debian_sources([("sources.list", ONE_LINE)], "bookworm") == [
        "deb [arch=amd64 signed-by=/k.gpg] https://mirror.example/debian bookworm main contrib",
        "deb https://mirror.example/debian-security bookworm-security main",
    ]


def test_without_the_release_itself_the_builders_own_mirrors_serve() -> None:
    assert recipe.debian_sources([("sources.list", ONE_LINE)], "trixie") == []
    argv, stdin = recipe.mmdebstrap(Base("trixie", ()), Path("/t"), [])
    assert argv[-2:] == ["trixie", "/t"]
    assert stdin == ""


def test_with_sources_they_come_on_standard_input() -> None:
    argv, stdin = recipe.mmdebstrap(
        Base("bookworm", ()), Path("/t"), ["deb https://mirror.example/debian bookworm main"]
    )
    assert argv[-3:] == ["bookworm", "/t", "-"]
    assert stdin == "deb https://mirror.example/debian bookworm main\n"
