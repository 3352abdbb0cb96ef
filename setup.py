"""Puts the studies' results into a built library; everything else about the package is in pyproject.toml."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithResults(build_py):
    """The studies write to book/results. A chapter opened alone, on Colab say, has only the installed library."""

    def run(self) -> None:
        super().run()
        if getattr(self, "editable_mode", False):  # a checkout reads book/results itself
            return
        found = Path(self.build_lib, "tgan_lib", "_results")
        found.mkdir(parents=True, exist_ok=True)
        for path in sorted(Path("book", "results").glob("*.*")):
            shutil.copyfile(path, found / path.name)


setup(cmdclass={"build_py": BuildWithResults})
