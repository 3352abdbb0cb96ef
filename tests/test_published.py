"""The whole site as it is once its address is set: links to Colab, to the source and to issues, and no placeholder."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
URL = "https://github.com/ada/gans"


@pytest.mark.slow
def test_a_published_site_leads_to_colab_the_source_and_the_issues(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    left_out = shutil.ignore_patterns(".git", ".venv", "_build", ".*_cache", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT, copy, ignore=left_out)
    for command in (["address.py", "--set", URL], ["build.py"]):
        done = subprocess.run(
            [sys.executable, f"book/tools/{command[0]}", *command[1:]],
            cwd=copy,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    site = copy / "_build" / "html"
    chapters = sorted(site.glob("book/*/[0-9][0-9]_*.html"))
    assert len(chapters) == len(list(ROOT.glob("book/*/[0-9][0-9]_*.ipynb")))
    for page in chapters:
        text = page.read_text(encoding="utf-8")
        [colab] = set(re.findall(r'href="(https://colab\.research\.google\.com/[^"]+)"', text))
        assert colab.endswith(f"ada/gans/blob/main/notebooks/{page.stem}.ipynb")
        assert "btn-run-here" not in text
        assert f"{URL}/issues" in text
        assert f"{URL}/blob/main/book/" in text
    for page in site.rglob("*.html"):
        assert "-owner-" not in page.read_text(encoding="utf-8"), page
    assert f"git+{URL}" in (site / "book" / "start" / "how_to_use.html").read_text(encoding="utf-8")
    assert URL in (copy / "README.md").read_text(encoding="utf-8")
    assert "-owner-" not in re.sub(r"`-owner-`", "", (copy / "README.md").read_text(encoding="utf-8"))
