# SPDX-License-Identifier: GPL-3.0-or-later
"""A configuration and its files go live together, when the checker agrees, or not at all."""

from __future__ import annotations

import json
import os
import stat
import threading
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


@pytest.mark.parametrize("mask", [0o027, 0o077])
def test_the_services_user_gets_through_whatever_the_umask(tmp_path: Path, mask: int) -> None:
    store = Store(tmp_path / "etc")
    before = os.umask(mask)
    try:
        store.put_live(generation(), checker(tmp_path))
    finally:
        os.umask(before)
    folders = (store.root, store.generations, store.live())
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in folders if folder] == [0o755, 0o750, 0o750]
    assert store.is_live(generation())
    for folder in folders:
        assert folder
        mode = stat.S_IMODE(folder.stat().st_mode)
        folder.chmod(0o700)
        assert not store.is_live(generation())
        folder.chmod(mode)
    store.root.chmod(0o700)
    store.put_live(generation(), checker(tmp_path))
    assert store.is_live(generation())


def test_two_runs_at_once_do_not_take_each_other_for_leftovers(tmp_path: Path) -> None:
    program = checker(tmp_path)
    slow = tmp_path / "slow"
    slow.write_text(f'#!/bin/sh\nsleep 0.3\nexec {program} "$@"\n')
    slow.chmod(0o755)
    wrong: list[Exception] = []

    def run(value: str) -> None:
        try:
            Store(tmp_path / "etc").put_live(generation(value), str(slow))
        except (GenerationError, OSError) as error:
            wrong.append(error)

    runs = [threading.Thread(target=run, args=(value,)) for value in "12345"]
    for one in runs:
        one.start()
    for one in runs:
        one.join()
    assert not wrong
    store = Store(tmp_path / "etc")
    assert any(store.is_live(generation(value)) for value in "12345")
    assert len(list(store.generations.iterdir())) == 1


def test_what_is_live_can_be_judged_by_another_checker(tmp_path: Path) -> None:
    store = Store(tmp_path / "etc")
    store.put_live(generation("old"), checker(tmp_path))
    store.judge_live(checker(tmp_path))
    with pytest.raises(GenerationError, match=r"\$\.a: is wrong"):
        store.judge_live(checker(tmp_path, refuses="old"))
    assert store.is_live(generation("old"))
