"""Take the pictures of the pages in ``docs/gallery/``; needs Debian's chromium.

Run from the repository's root: ``python docs/gallery/shots.py``, after ``make web``.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from make import Scene, map_reduce
from playwright.sync_api import Browser, sync_playwright

from impactree import ModelCall, Report

HERE: Final = Path("docs/gallery")
AGENTS: Final = (
    # name, model, provider, rounds, tokens in, tokens out
    ("researcher", "gpt-4o-mini", "openai", 7, 1800, 160),
    ("analyst", "gpt-4o", "openai", 3, 5200, 420),
    ("writer", "claude-sonnet-4-5", "anthropic", 2, 7400, 900),
)
CALCULATED: Final = (
    "mode=one&task=chat&input=2400&cached=2000&output=400&method=impactree-1"
    "&model=claude-haiku-4-5&provider=aws-bedrock&region=eu-west-3"
)


def crew() -> Report:
    """Three agents of three models under one graph."""
    scene, chance = Scene(), random.Random(4)
    root = scene.start(None, "travel_planner", "graph", 0, user_id="ann")
    at = 0.0
    for name, model, provider, rounds, read, wrote in AGENTS:
        begun = scene.start(root, name, "agent", at, lc_agent_name=name)
        for turn in range(rounds):
            node = scene.start(begun, "model", "node", at, langgraph_node="model")
            run = scene.start(node, "Chat", "chat", at)
            took = wrote / 90 * chance.uniform(0.8, 1.4)
            call = ModelCall(
                provider=provider,
                model=model,
                input_tokens=read + 600 * turn,
                output_tokens=int(wrote * chance.uniform(0.6, 1.5)),
                latency_s=took,
            )
            scene.end(run, at + took, call=call)
            scene.end(node, at + took)
            at += took
            if turn + 1 < rounds:
                tool = scene.start(begun, ("search_flights", "weather")[turn % 2], "tool", at)
                if turn % 3 == 0:
                    scene.chat(tool, at, "gpt-4o-mini", 2400, 220)
                at += 1.6
                scene.end(tool, at)
        scene.end(begun, at)
    scene.end(root, at)
    return scene.report()


def shoot(browser: Browser, report: Report, name: str, size: str, scheme: str, more: str) -> None:
    """One picture of the window's first screen."""
    width, height = map(int, size.split("x"))
    with TemporaryDirectory() as folder:
        page_file = Path(folder, "report.html")
        report.to_html(page_file)
        page = browser.new_page(
            viewport={"width": width, "height": height},
            color_scheme="dark" if scheme == "dark" else "light",
        )
        page.goto(f"{page_file.as_uri()}#{more}")
        page.wait_for_selector(".icicle")
        page.screenshot(path=HERE / f"page-{name}-{width}-{scheme}.png")
        page.close()


def shoot_calculator(browser: Browser) -> None:
    """One request in the server's page."""
    command = [str(Path(sys.executable).with_name("impactree")), "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        address = server.stdout.readline().split()[-1]
        page = browser.new_page(viewport={"width": 1280, "height": 1160}, color_scheme="light")
        page.goto(f"{address}#{CALCULATED}")
        page.wait_for_selector(".how")
        page.screenshot(path=HERE / "server-one-1280-light.png")
        page.close()
        server.terminate()


def main() -> None:
    """All of them."""
    with sync_playwright() as driver:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        program = shutil.which("chromium")
        browser = driver.chromium.launch(executable_path=program, args=arguments)
        shoot(browser, crew(), "agents", "1280x1500", "light", "by=agent")
        shoot(browser, crew(), "agents", "390x1500", "dark", "by=agent")
        shoot(browser, map_reduce(2000), "map_reduce", "1280x1300", "light", "")
        shoot_calculator(browser)
        browser.close()


if __name__ == "__main__":
    main()
