"""The agent of agent.py, and its report as a page: one file to look at, mail and print.

Offline, like agent.py.
"""

from __future__ import annotations

import argparse
import webbrowser
from pathlib import Path

from langchain_openai import ChatOpenAI

from agent import QUESTION, ask, build_agent, script
from impactree import ImpactHandler
from scripted_openai import ScriptedOpenAI


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", nargs="?", type=Path, default=Path("report.html"))
    parser.add_argument("--open", action="store_true", help="show the page in the browser")
    arguments = parser.parse_args()

    handler = ImpactHandler()
    with ScriptedOpenAI(script):
        model = ChatOpenAI(model="gpt-4o", stream_usage=True)
        reader = ChatOpenAI(model="gpt-4o-mini", stream_usage=True)
        ask(build_agent(model, reader), QUESTION, handler)
    handler.report().to_html(arguments.page)
    print(f"written: {arguments.page}, {arguments.page.stat().st_size / 1000:.0f} kB")
    if arguments.open:
        webbrowser.open(arguments.page.resolve().as_uri())


if __name__ == "__main__":
    main()
