"""Compile the catalog into the wheel, so that installed packages load it in milliseconds."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CompileCatalog(BuildHookInterface[Any]):
    """Adds ``impactree/catalog/compiled.jsonl`` to the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile ``data/``; a wrong entry fails the build with the entry's name."""
        if version == "editable":
            return  # a checkout compiles on first use, and again when a file changes
        root = Path(self.root)
        sys.path.insert(0, str(root / "src"))
        from impactree.catalog._compile import compile_folder

        self._folder = TemporaryDirectory()  # until finalize: nothing but the wheel is left behind
        out = Path(self._folder.name) / "compiled.jsonl"
        out.write_text(compile_folder(root / "data"), encoding="utf-8")
        build_data["force_include"][str(out)] = "impactree/catalog/compiled.jsonl"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """The wheel has its copy."""
        if version != "editable":
            self._folder.cleanup()
