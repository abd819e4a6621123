"""What a report as a page weighs, how long it takes to write and to show, and whether it zooms
smoothly; needs Debian's chromium and `make web`. By itself: python -m benchmarks.page [RUNS ...].
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks._measure import Result, at_most, print_table, seconds_each
from impactree import ImpactTracker, ModelCall, Report

ROUNDS = 3
_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
_ZOOM = """async () => {
  const [frames, waits] = [[], (ms) => new Promise((done) => setTimeout(done, ms))];
  let before = performance.now(), on = true;
  const follow = (now) => {
    frames.push(now - before);
    before = now;
    if (on) requestAnimationFrame(follow);
  };
  requestAnimationFrame(follow);
  await waits(300);
  frames.length = 0;
  for (let times = 0; times < 12; times++) {
    const items = document.querySelectorAll('.icicle [role=treeitem]:not(.above)');
    items[Math.min(items.length - 1, 1 + (times % 5))].click();
    await waits(150);
    if (times % 3 === 2) {
      [...document.querySelectorAll('.filters button')].at(-1)?.click();
      await waits(150);
    }
  }
  on = false;
  return Math.max(...frames);
}"""


def agents(runs: int) -> Report:
    """Agents of about 100 runs each: rounds of a model and a tool, every call another one."""
    tracker = ImpactTracker(max_runs=runs)
    made = number = 0
    while made < runs:
        number += 1
        root = ("agent", number)
        tracker.start(root, name=f"agent {number % 7}", kind="agent")
        for turn in range(25):
            step = (number, turn)
            tracker.start(step, root, name="model", kind="node", start=1.8e9 + turn)
            model = ("gpt-4o", "gpt-4o-mini", "claude-sonnet-4-5")[(number + turn) % 3]
            call = ModelCall(
                model=model,
                provider="anthropic" if model.startswith("claude") else "openai",
                input_tokens=500 + 37 * turn + number,
                output_tokens=50 + (number * 31 + turn * 17) % 400,
                latency_s=0.5 + turn / 50,
            )
            tracker.record(call, step, name="Chat")
            tracker.end(step, end=1.8e9 + turn + 0.5 + turn / 100)
            tracker.start((step, "t"), root, name="tools", kind="node", start=1.8e9 + turn + 0.6)
            tracker.start((step, "u"), (step, "t"), name="search", kind="tool")
            tracker.end((step, "u"))
            tracker.end((step, "t"), end=1.8e9 + turn + 0.9)
        tracker.end(root, end=1.8e9 + 26)
        made += 101
    return tracker.report()


def run(sizes: Sequence[int] = (1_000, 10_000, 100_000)) -> list[Result]:
    with tempfile.TemporaryDirectory() as folder, _browser() as browser:
        return [result for runs in sizes for result in _page(browser, Path(folder, "r.html"), runs)]


def _page(browser: Any, path: Path, runs: int) -> Iterator[Result]:
    name = f"page of {runs:,} runs"
    report = agents(runs)
    few = runs <= 10_000
    wrote = median(seconds_each(lambda _: report.to_html(path), 1) for _ in range(5 if few else 1))
    size = path.stat().st_size / 1e6
    yield at_most(f"{name}, size", size, 0.9 if runs <= 1_000 else 6, "MB")
    if few:
        yield at_most(f"{name}, written", wrote, 3, "s")
    else:
        yield Result(f"{name}, written", f"{wrote:.3g} s")
    shown = [_first_view(browser, path, zoom=False)[0] for _ in range(ROUNDS)]
    yield at_most(f"{name}, first view", median(shown), 2, "s")
    for together, how in ((True, "like runs together"), (False, "each run")):
        frames = [_first_view(browser, path, together=together)[1] for _ in range(3)]
        yield at_most(f"{name}, longest frame of a zoom, {how}", median(frames), 100, "ms")


def _first_view(
    browser: Any, path: Path, *, zoom: bool = True, together: bool = True
) -> tuple[float, float]:
    """Seconds until the tree is drawn, and the longest frame while zooming, ms."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"{path.as_uri()}#together={int(together)}")
    page.wait_for_selector(".icicle")
    shown = page.evaluate(
        "() => new Promise((done) => requestAnimationFrame(() => done(performance.now())))"
    )
    longest = page.evaluate(_ZOOM) if zoom else 0.0
    page.close()
    return shown / 1000, longest


@contextmanager
def _browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        program = shutil.which("chromium")
        browser = driver.chromium.launch(executable_path=program, args=_ARGUMENTS)
        yield browser
        browser.close()


if __name__ == "__main__":
    chosen = [int(size) for size in sys.argv[1:]]
    sys.exit(0 if print_table(run(chosen) if chosen else run()) else 1)
