# SPDX-License-Identifier: GPL-3.0-or-later
"""A configuration and its files go live together, when the checker agrees, or not at all."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from ansible_collections.alertpath.smtp.plugins.module_utils.tunnel.generation import Generation, GenerationError, Store


def checker(folder: Path, refuses: str = "") -> str:
    """A program that reads what it is given, as the real one does, and refuses texts with *refuses* in them."""
    program = folder / "checker"
    program.write_text(
        "#!/bin/sh\n"
        'test "$1" = check || exit 2\n'
        'grep -q "server.key" "$2" && ! test -r "$(sed -n \'s/.*"key": "\\(.*\\)".*/\\1/p\' "$2")" && exit 3\n'
        + (f'grep -q "{refuses}" "$2" && {{ echo "$2: $.a: is wrong" >&2; exit 1; }}\n' if refuses else "")
        + "exit 0\n"
    )
    program.chmod(0o755)
    return str(program)


def generation(value: str = "1", key: str = "secret") -> Generation:
    return Generation({"a": value, "tls": {"key": "file:server.key"}}, {"server.key": key})


def test_live_configuration_names_the_live_files(tmp_path: Path) -> None:
    store = Store(tmp_path / "etc")
    store.put_live(generation(), checker(tmp_path))
    live = json.loads(store.live_text())
    assert live["tls"]["key"] == str(tmp_path / "etc" / "current" / "server.key")
    assert Path(live["tls"]["key"]).read_text() == "secret"
    assert stat.S_IMODE(Path(live["tls"]["key"]).stat().st_mode) == 0o640
    assert store.is_live(generation())
    assert not store.is_live(generation("2"))
    assert not store.is_live(generation(key="other"))


def test_refused_configuration_leaves_the_live_one(tmp_path: Path) -> None:
    store = Store(tmp_path / "etc")
    store.put_live(generation(), checker(tmp_path))
    with pytest.raises(GenerationError, match=r"\$.a: is wrong") as refused:
        store.put_live(generation("bad"), checker(tmp_path, refuses="bad"))
    assert "secret" not in str(refused.value)
    assert store.is_live(generation())
    assert [path.name for path in (tmp_path / "etc" / "generations").iterdir()] == [generation().digest()]


def test_edit_by_hand_is_seen_and_put_right(tmp_path: Path) -> None:
    store = Store(tmp_path / "etc")
    store.put_live(generation(), checker(tmp_path))
    key = tmp_path / "etc" / "current" / "server.key"
    for spoil in (lambda: key.write_text("else"), lambda: key.chmod(0o644), lambda: key.with_name("more").touch()):
        spoil()
        assert not store.is_live(generation())
        store.put_live(generation(), checker(tmp_path))
        assert store.is_live(generation())


def test_leftover_of_a_killed_run_is_cleared(tmp_path: Path) -> None:
    store = Store(tmp_path / "etc")
    store.put_live(generation(), checker(tmp_path))
    leftover = tmp_path / "etc" / "generations" / f".{generation('2').digest()}"
    leftover.mkdir()
    (leftover / "server.key").write_text("half")
    store.put_live(generation("2"), checker(tmp_path))
    assert store.is_live(generation("2"))
    assert not leftover.exists()


@pytest.mark.parametrize(
    ("config", "files", "words"),
    [
        ({"a": "file:x"}, {}, "file:x, which is not among files"),
        ({}, {"x": ""}, "named nowhere"),
        ({"a": "file:../x"}, {"../x": ""}, "not a plain file name"),
        ({"a": "file:config.json"}, {"config.json": ""}, "not a plain file name"),
    ],
)
def test_names_that_do_not_fit(config, files, words) -> None:
    assert any(words in problem for problem in Generation(config, files).problems())


def test_absent_removes_everything(tmp_path: Path) -> None:
    store = Store(tmp_path / "etc")
    assert not store.remove()
    store.put_live(generation(), checker(tmp_path))
    assert store.remove()
    assert not (tmp_path / "etc").exists()
