"""What a build adds: the compiled catalog, and the page of reports from ``web/``."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

if TYPE_CHECKING:
    from types import ModuleType


class BuildExtras(BuildHookInterface[Any]):
    """Adds ``catalog/compiled.jsonl`` to the wheel, and ``web/`` to wheel, sdist and checkout."""

    def dependencies(self) -> list[str]:
        """A Node from PyPI, where the page is to be built and the machine has none."""
        page = self._page()
        return [] if page.is_built() or page.find_node() else [page.NODE_PACKAGE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile ``data/``; a wrong entry fails the build with the entry's name.

        Without the npm registry the package is built without the page.
        """
        page = self._page()
        try:
            page.build()
        except page.PageBuildError as error:
            self.app.display_warning(f"impactree is built without its page: {error}")
        if self.target_name == "wheel" and version != "editable":
            self._compile(build_data)

    def _page(self) -> ModuleType:
        spec = spec_from_file_location("build_page", Path(self.root, "web", "build.py"))
        if spec is None or spec.loader is None:
            raise ImportError("web/build.py")
        page = module_from_spec(spec)
        spec.loader.exec_module(page)
        return page

    def _compile(self, build_data: dict[str, Any]) -> None:
        """A checkout compiles on first use instead, and again when a file changes."""
        root = Path(self.root)
        sys.path.insert(0, str(root / "src"))
        from impactree.catalog._compile import compile_folder

        self._folder = TemporaryDirectory()  # until finalize: nothing but the wheel is left behind
        out = Path(self._folder.name) / "compiled.jsonl"
        out.write_text(compile_folder(root / "data"), encoding="utf-8")
        build_data["force_include"][str(out)] = "impactree/catalog/compiled.jsonl"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """The wheel has its copy."""
        if self.target_name == "wheel" and version != "editable":
            self._folder.cleanup()
