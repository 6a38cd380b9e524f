# SPDX-License-Identifier: GPL-3.0-or-later
"""The report in a real browser: on a phone and a desk, in the light and the dark, by a screen reader, on paper."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.alertpath.smtp.plugins.filter.matrix_history import matrix_history
from ansible_collections.alertpath.smtp.plugins.filter.matrix_html import matrix_html
from ansible_collections.alertpath.smtp.plugins.plugin_utils.report.evidence import as_data, gather

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests/unit/plugins/plugin_utils/report"))

import report_samples as samples

BROWSER = shutil.which("chromium") or "chromium"

# What a reader would see, found out by the browser itself. The page has no script: this is put into a copy of it.
LOOK = """
const channel = v => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
const light = c => { const [r, g, b] = c.match(/[0-9.]+/g).map(Number).map(channel);
  return .2126*r + .7152*g + .0722*b; };
const contrast = (a, b) => { const [x, y] = [light(a), light(b)].sort((m, n) => n - m); return (x + .05) / (y + .05); };
const ground = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
  if (!c.startsWith('rgba')) return c; } return 'rgb(255, 255, 255)'; };
document.querySelectorAll('details').forEach(e => { e.open = true; });
let worst = 21, small = 99, texts = 0;
const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walk.nextNode()) {
  const e = walk.currentNode.parentElement;
  if (!walk.currentNode.data.trim() || e.closest('.skip, script, desc')) continue;
  const style = getComputedStyle(e), drawn = e.closest('svg');
  const ink = drawn ? style.fill : style.color;
  const back = drawn ? getComputedStyle(drawn.querySelector('rect')).fill : ground(e);
  worst = Math.min(worst, contrast(ink, back));
  small = Math.min(small, e.getBoundingClientRect().height);
  texts += 1;
}
const tables = [...document.querySelectorAll('table')];
const svg = [...document.querySelectorAll('svg')].map(e => [...e.querySelectorAll('text')].every(t => {
  const a = t.getBoundingClientRect(), b = e.getBoundingClientRect();
  return a.left >= b.left && a.right <= b.right; }));
document.title = JSON.stringify({
  worst, small, texts, wide: document.documentElement.scrollWidth, window: innerWidth, pictures: svg,
  loaded: performance.getEntriesByType('resource').length, dark: matchMedia('(prefers-color-scheme: dark)').matches,
  tables: tables.length, captions: tables.filter(t => t.caption && t.caption.textContent.trim()).length,
  named: [...document.querySelectorAll('td')].filter(c => c.parentElement.querySelector('th[scope=row]')).length,
  cells: document.querySelectorAll('td').length,
  targets: [...document.querySelectorAll('a')].every(a => document.getElementById(a.hash.slice(1))),
});
"""


@pytest.fixture(scope="module")
def page() -> str:
    found = gather(samples.planned(), samples.results(), samples.drift(), samples.proof())
    evidence = {**as_data(found), "at": samples.AT, "digest": samples.DIGEST}
    return matrix_html(evidence, samples.plan(), matrix_history({**evidence, "at": "2026-11-22T03:00:00Z"}))


def browse(folder: Path, *options: str) -> str:
    command = [BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def look(folder: Path, page: str, width: int, *options: str) -> dict[str, Any]:
    """Open *page* in a frame of *width* pixels, as wide as a phone may be and a browser's window may not."""
    bare = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)
    (folder / "copy.html").write_text(bare.replace("</body>", f"<script>{LOOK}</script></body>"))
    told = "const f = document.querySelector('iframe'); f.onload = () => {"
    told += " document.body.dataset.seen = f.contentDocument.title; };"
    outer = folder / "outer.html"
    frame = f'<iframe src="copy.html" style="width:{width}px;height:900px;border:0"></iframe>'
    outer.write_text(f"<!DOCTYPE html><html><body>{frame}<script>{told}</script></body></html>")
    arguments = ("--allow-file-access-from-files", "--virtual-time-budget=5000", *options, "--dump-dom", outer.as_uri())
    seen = re.search(r'data-seen="([^"]*)"', browse(folder, *arguments))
    assert seen, "the page did not tell"
    return dict(json.loads(seen[1].replace("&quot;", '"').replace("&amp;", "&")))


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_it_can_be_read(tmp_path: Path, page: str, width: int, dark: bool) -> None:
    seen = look(tmp_path, page, width, f"--blink-settings=preferredColorScheme={0 if dark else 1}")
    assert seen["dark"] is dark
    assert seen["window"] == width
    assert seen["wide"] <= width, "the page scrolls sideways"
    assert seen["texts"] > 200
    assert seen["worst"] >= 4.5
    assert seen["small"] >= 10
    assert seen["pictures"], "nothing was drawn"
    assert all(seen["pictures"]), "text runs out of a picture"


def test_it_loads_nothing_and_its_tables_are_tables(tmp_path: Path, page: str) -> None:
    seen = look(tmp_path, page, 1280)
    assert seen["loaded"] == 0
    assert seen["tables"] == seen["captions"] > 10
    assert seen["cells"] == seen["named"]
    assert seen["targets"]


def test_it_prints(tmp_path: Path, page: str) -> None:
    (tmp_path / "report.html").write_text(page)
    paper = tmp_path / "report.pdf"
    browse(tmp_path, f"--print-to-pdf={paper}", (tmp_path / "report.html").as_uri())
    assert paper.read_bytes().startswith(b"%PDF-")
    assert paper.stat().st_size > 20_000
