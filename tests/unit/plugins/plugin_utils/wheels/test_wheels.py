# SPDX-License-Identifier: GPL-3.0-or-later
"""Which wheels fit a host, and what the release that they make is called."""

from __future__ import annotations

import shutil
import sysconfig
import tomllib
from pathlib import Path

import pytest
from ansible_collections.alertpath.smtp.plugins.plugin_utils.wheels.compiled import (
    CompileError,
    controller,
    require_compiler,
    require_fit,
)
from ansible_collections.alertpath.smtp.plugins.plugin_utils.wheels.given import GivenError, release_of
from ansible_collections.alertpath.smtp.plugins.plugin_utils.wheels.source import (
    FOLDER,
    REQUIREMENTS,
    Source,
    SourceError,
)
from ansible_collections.alertpath.smtp.plugins.plugin_utils.wheels.target import Target, TargetError

DEBIAN_12 = {
    "python": "3.11",
    "implementation": "cpython",
    "machine": "x86_64",
    "libc": "glibc",
    "libc_version": "2.36",
}


def test_tags_of_debian_12() -> None:
    target = Target.of(DEBIAN_12)
    assert target.platforms[0] == "manylinux_2_36_x86_64"
    assert {"manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"} <= set(target.platforms)
    assert "manylinux_2_37_x86_64" not in target.platforms
    assert "cp311" in target.pip_options


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"python": "3.10"}, "3.11 or later"),
        ({"implementation": "pypy"}, "3.11 or later"),
        ({"libc": "", "libc_version": ""}, "C library"),
        ({"libc": "musl", "libc_version": "1.2"}, "C library"),
    ],
)
def test_host_that_cannot_run_it_is_refused(change, words) -> None:
    with pytest.raises(TargetError, match=words):
        Target.of({**DEBIAN_12, **change})


def copied(folder: Path) -> Path:
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("tests", ".*", "__pycache__"))
    return folder


def test_same_sources_make_the_same_release_anywhere(tmp_path: Path) -> None:
    target = Target.of(DEBIAN_12)
    assert Source.read(copied(tmp_path / "a")).release(target) == Source.read().release(target)


@pytest.mark.parametrize("file", ["src/alertpath_tunnel/cli.py", "pyproject.toml", REQUIREMENTS])
def test_any_change_makes_another_release(tmp_path: Path, file: str) -> None:
    target = Target.of(DEBIAN_12)
    folder = copied(tmp_path / "a")
    before = Source.read(folder).release(target)
    with (folder / file).open("a") as stream:
        stream.write("# changed\n")
    assert Source.read(folder).release(target) != before


def test_another_python_makes_another_release() -> None:
    source = Source.read()
    assert source.release(Target.of(DEBIAN_12)) != source.release(Target.of({**DEBIAN_12, "python": "3.13"}))


def test_compiled_service_is_another_release() -> None:
    source, target = Source.read(), Target.of(DEBIAN_12)
    assert source.release(target, compiled=True) != source.release(target)


@pytest.mark.parametrize("glibc", ["2.36", "2.41"])
def test_what_is_compiled_runs_where_glibc_is_no_older(glibc: str) -> None:
    require_fit(Target.of({**DEBIAN_12, "libc_version": glibc}), Target.of(DEBIAN_12))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"python": "3.13"}, "host is CPython 3.13 on x86_64"),
        ({"machine": "aarch64"}, "on aarch64"),
        ({"libc_version": "2.34"}, "with glibc 2.34"),
    ],
)
def test_what_is_compiled_for_another_host_is_refused(change: dict[str, str], words: str) -> None:
    with pytest.raises(CompileError, match=words):
        require_fit(Target.of({**DEBIAN_12, **change}), Target.of(DEBIAN_12))


def test_controller_without_a_compiler_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sysconfig, "get_path", lambda name: "/nonexistent")
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(CompileError, match=r"the C compiler .* and Python's headers \(/nonexistent/Python.h\).*gcc"):
        require_compiler()


def test_controller_is_like_itself() -> None:
    require_fit(controller(), controller())


def test_everything_the_service_depends_on_is_pinned() -> None:
    project = tomllib.loads((FOLDER / "pyproject.toml").read_text())["project"]
    pins = (FOLDER / REQUIREMENTS).read_text()
    for dependency in (*project["dependencies"], "pip"):
        name = dependency.partition(">")[0]
        assert f"\n{name}==" in pins
    assert pins.count("==") == len(project["dependencies"]) + 1


def test_collection_without_the_source_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="install the collection again"):
        Source.read(tmp_path)


def test_folder_filled_by_hand(tmp_path: Path) -> None:
    (tmp_path / "alertpath_tunnel-0.1.0-py3-none-any.whl").write_bytes(b"wheel")
    with pytest.raises(GivenError, match="pip"):
        release_of(tmp_path)
    (tmp_path / "pip-26.3-py3-none-any.whl").write_bytes(b"pip")
    before = release_of(tmp_path)
    assert before.startswith("0.1.0-")
    (tmp_path / "pip-26.3-py3-none-any.whl").write_bytes(b"another")
    assert release_of(tmp_path) != before
