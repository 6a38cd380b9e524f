# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of the evaluator with one mistake each, to see that the comparison with the kernel finds it."""

from __future__ import annotations

import ast
import importlib
import itertools
import random
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from .cases import Case
from .compare import Analyse, check

LIBRARY = Path(__file__).resolve().parents[3] / "plugins" / "module_utils"
_numbers = itertools.count()


class Edit(NamedTuple):
    """One mistake: in this file of the evaluator, this text, found once, becomes that text."""

    file: str
    old: str
    new: str


@contextmanager
def built(folder: Path, changed: dict[str, str]) -> Iterator[Analyse]:
    """The `analyse` of a copy of the evaluator in which some files have other texts."""
    package = f"mutant{next(_numbers)}"
    library = folder / package / "module_utils"
    library.mkdir(parents=True)
    for entry in LIBRARY.iterdir():
        if entry.name not in ("proof", "__pycache__"):
            (library / entry.name).symlink_to(entry)
    shutil.copytree(LIBRARY / "proof", library / "proof", ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in changed.items():
        (library / "proof" / name).write_text(text)
    sys.path.insert(0, str(folder))
    try:
        yield importlib.import_module(f"{package}.module_utils.proof.analyse").analyse
    finally:
        sys.path.remove(str(folder))
        for name in [name for name in sys.modules if name.partition(".")[0] == package]:
            del sys.modules[name]
        shutil.rmtree(folder / package)


def edited(*edits: Edit) -> dict[str, str]:
    """The changed files of some edits. Raises ValueError when the text of one is not there exactly once."""
    found: dict[str, str] = {}
    for edit in edits:
        text = found.get(edit.file) or (LIBRARY / "proof" / edit.file).read_text()
        if text.count(edit.old) != 1:
            raise ValueError(f"{edit.file} holds {edit.old!r} {text.count(edit.old)} times: write this mutant anew")
        found[edit.file] = text.replace(edit.old, edit.new)
    return found


@contextmanager
def patience(seconds: int) -> Iterator[None]:
    """Raise TimeoutError in what does not come to an end."""

    def end(_number: int, _frame: object) -> None:
        raise TimeoutError(f"no end within {seconds} s")

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def caught_by(cases: Sequence[Case], analyse: Analyse) -> str:
    """Which disagreement gives a mutant away; empty when none does."""
    for case in cases:
        with patience(60):
            wrong = check(case, analyse)
        for one in wrong:
            return f"{case.name}: {one.what}: {one.point}"
    return ""


# Mistakes made by a seed, over the whole evaluator: each is one small change of its syntax tree.

_COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_COUNTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}


def _change(node: ast.AST) -> Callable[[], object] | None:
    """How to change one node in place; None when it offers nothing."""
    if isinstance(node, ast.Compare) and type(node.ops[0]) in _COMPARED:
        return lambda: node.ops.__setitem__(0, _COMPARED[type(node.ops[0])]())
    if isinstance(node, ast.BoolOp):
        return lambda: setattr(node, "op", ast.Or() if isinstance(node.op, ast.And) else ast.And())
    if isinstance(node, ast.BinOp) and type(node.op) in _COUNTED:
        return lambda: setattr(node, "op", _COUNTED[type(node.op)]())
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return lambda: setattr(node, "op", ast.UAdd())
    if isinstance(node, ast.Constant) and isinstance(node.value, bool):
        return lambda: setattr(node, "value", not node.value)
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return lambda: setattr(node, "value", node.value + 1)
    if isinstance(node, (ast.Continue, ast.Break)):
        return lambda: None
    return None


def random_mistake(rng: random.Random, files: Sequence[str]) -> tuple[str, dict[str, str]]:
    """(where and what, changed file) of one small change somewhere in these files."""
    sources = {name: (LIBRARY / "proof" / name).read_text() for name in files}
    name = rng.choices(list(sources), [len(text) for text in sources.values()])[0]
    tree = ast.parse(sources[name])
    nodes = [node for node in ast.walk(tree) if hasattr(node, "lineno") and _change(node)]
    node: Any = rng.choice([one for one in nodes if not isinstance(one, (ast.Continue, ast.Break))])
    before = ast.unparse(node)
    change = _change(node)
    assert change is not None
    change()
    return f"{name}:{node.lineno}: {before} -> {ast.unparse(node)}", {name: ast.unparse(tree)}
