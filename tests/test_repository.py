"""The repository's own files: one list of packages, one address, one table of contents."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

# What Google Colab had installed in August 2026, on Python 3.13.
COLAB_PYTHON = "3.13"
COLAB = {
    "torch": "2.11.*",
    "torchvision": "0.26.*",
    "numpy": "2.1.3",
    "matplotlib": "3.10.*",
    "ipywidgets": "7.7.1",
    "anywidget": "0.9.21",
    "scikit-learn": "1.6.1",
    "ipython": "7.34.*",
    "ipykernel": "6.17.*",
}


def script(path: str) -> ModuleType:
    """A Python file that is not in a package, as a module."""
    spec = importlib.util.spec_from_file_location(Path(path).stem + "_under_test", ROOT / path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


address = script("book/tools/address.py")
build = script("book/tools/build.py")
markup = script("book/_ext/markup.py")
times = script("book/_ext/times.py")


# Packages


def test_environment_yml_adds_python_and_pip_to_pyproject_and_nothing_more() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    python = "python" + PROJECT["requires-python"]
    extras = ",".join(PROJECT["optional-dependencies"])
    assert environment["dependencies"] == [python, "pip", {"pip": [f"-e .[{extras}]"]}]


def test_the_lock_has_a_fitting_version_of_everything_in_pyproject() -> None:
    locked: dict[str, list[str]] = {}
    for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines():
        if found := re.match(r"([A-Za-z0-9_.-]+)==([^ ;]+)", line):
            locked.setdefault(canonicalize_name(found[1]), []).append(found[2])
    for text in sum(PROJECT["optional-dependencies"].values(), PROJECT["dependencies"]):
        requirement = Requirement(text)
        versions = locked.get(canonicalize_name(requirement.name), [])
        assert versions, f"{text} is in pyproject.toml and not in requirements.lock: run make lock"
        assert all(requirement.specifier.contains(v, prereleases=True) for v in versions), (
            f"pyproject.toml asks for {text}, requirements.lock has {versions}: run make lock"
        )


def test_the_library_sets_no_ceiling() -> None:
    for text in PROJECT["dependencies"]:
        assert {s.operator for s in Requirement(text).specifier} <= {">="}, f"{text} could move Colab's"


@pytest.mark.network
@pytest.mark.slow
def test_installing_the_library_on_colab_moves_nothing_that_is_there(tmp_path: Path) -> None:
    pins = tmp_path / "colab.txt"
    pins.write_text("".join(f"{name}=={version}\n" for name, version in COLAB.items()))
    wanted = tmp_path / "wanted.in"
    wanted.write_text("\n".join(PROJECT["dependencies"]))
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    assert uv, "uv is missing: it is in the extra 'test'"
    command = [uv, "pip", "compile", str(wanted), "--constraint", str(pins), "--python-version", COLAB_PYTHON]
    command += ["--python-platform", "x86_64-manylinux_2_28", "--no-header", "--no-annotate", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    if done.returncode and "No solution found" not in done.stderr:
        said = f"no package registry answered, so it could not be resolved: {done.stderr.strip()[-500:]}"
        if os.environ.get("TGAN_REQUIRE_NETWORK") == "1":
            pytest.fail(said)
        pytest.skip(said)
    assert done.returncode == 0, f"the library cannot be installed beside Colab's packages:\n{done.stderr}"
    resolved = dict(re.findall(r"^([\w.-]+)==([^\s;]+)", done.stdout, re.MULTILINE))
    assert {"torch", "torchvision", "numpy", "ipywidgets", "anywidget"} <= resolved.keys()
    moved = {
        name: resolved[name]
        for name, pin in COLAB.items()
        if name in resolved and not Requirement(f"{name}=={pin}").specifier.contains(resolved[name])
    }
    assert moved == {}


# Table of contents and built pages


def test_every_page_of_the_table_of_contents_exists_once() -> None:
    pages = build.pages()
    assert len(pages) == len(set(pages))
    for page in pages:
        found = [ending for ending in (".md", ".ipynb") if (ROOT / (page + ending)).is_file()]
        assert len(found) == 1, f"{page} is in _toc.yml and has {found or 'no file'}"


def test_every_page_is_in_the_table_of_contents() -> None:
    listed = set(build.pages())
    for path in [*(ROOT / "book").rglob("*.md"), *(ROOT / "book").rglob("*.ipynb")]:
        name = path.relative_to(ROOT).with_suffix("").as_posix()
        if not any(part.startswith((".", "_")) for part in path.relative_to(ROOT).parts):
            assert name in listed, f"{name} is in no table of contents, so no reader finds it"


def test_the_look_over_the_site_names_a_missing_page_and_a_kernel_widget(tmp_path: Path) -> None:
    for page in build.pages():
        (tmp_path / f"{page}.html").parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"{page}.html").write_text("<p>a page</p>")
    assert build.faults(tmp_path) == []
    first, second = build.pages()[:2]
    (tmp_path / f"{first}.html").unlink()
    (tmp_path / f"{second}.html").write_bytes(b"<script type='" + build.WIDGET + b"'>{}</script>")
    said = build.faults(tmp_path)
    assert len(said) == 2
    assert first in said[0]
    assert second in said[1]


def test_mending_a_page_twice_is_mending_it_once() -> None:
    page = (
        '<head>\n<link rel="preload" as="font" crossorigin href="f.woff2" /><link rel="icon" href="i"/>'
        '<script src="vendor/fontawesome/6/js/all.min.js"></script><script src="a.js"></script></head>'
        '<div role="list"><div class="citation" role="doc-biblioentry">[A]</div></div>'
        "<dl><dt>f(<dl>\n<dd><em>a</em>,</dd>\n<dd><em>b</em>,</dd>\n</dl>)</dt><dd>does f</dd></dl>"
    )
    mended = markup.mend(page)
    assert "preload" not in mended
    assert "fontawesome" not in mended
    assert '<link rel="icon" href="i"/>' in mended
    assert '<script src="a.js"></script>' in mended
    assert '<div class="citation" role="listitem">' in mended
    assert '<span class="sig-line"><em>a</em>,</span>' in mended
    assert mended.endswith("</span>)</dt><dd>does f</dd></dl>")
    assert markup.mend(mended) == mended


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (48.2, "48 s"), (59.7, "1 min"), (203, "3 min 23 s"), (3600, "1 h"), (3899, "1 h 5 min")],
)
def test_a_duration_is_said_as_people_say_it(seconds: float, words: str) -> None:
    assert times.duration(seconds) == words


def test_a_record_fills_its_row_and_a_missing_one_says_so() -> None:
    record = {
        "code_sha256": "0",
        "budget": "cpu",
        "device": "CPU, 2 cores",
        "seconds": 203.4,
        "versions": {"torch": "2.15.0"},
        "date": "2026-11-21T10:00:00",
    }
    row = times.cells(record)
    assert row == ["3 min 23 s", "cpu", "CPU, 2 cores", "torch 2.15.0", "2026-11-21", "not measured"]
    assert times.cells(record | {"smoke_seconds": 11.2})[-1] == "11 s"
    assert len(row) == len(times.HEADINGS) - 1
    assert times.cells(None) == ["not yet run"]
    assert times.spoken(record) == f"{times.duration(record['seconds'])} on {record['device']}"
    assert times.spoken(None) == "not yet measured"


# Address


def test_the_address_is_the_same_everywhere() -> None:
    assert address.stale(ROOT) == [], "run python book/tools/address.py"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A small repository with every kind of file that holds the address."""
    old = address.read(ROOT)
    for name in ("_config.yml", "README.md", "CITATION.cff", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    with open(tmp_path / "CITATION.cff", "a") as file:
        file.write(f"repository-code: {old}\n")
    with open(tmp_path / "pyproject.toml", "a") as file:
        file.write(f'\n[project.urls]\nSource = "{old}"\nIssues = "{old}/issues"\n')
    (tmp_path / "book").mkdir()
    source = [
        f'%pip install -q "tgan-lib @ git+{old}"\n',
        "# idea from https://github.com/soumith/ganhacks\n",
    ]
    cell = {"cell_type": "code", "metadata": {}, "outputs": [], "source": source}
    (tmp_path / "book" / "a.ipynb").write_text(json.dumps({"cells": [cell], "metadata": {}}))
    return tmp_path


def test_a_new_address_reaches_every_place(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = address.read(copy), "https://github.com/someone/a.book"
    assert address.main(["--set", new + "/"], root=copy) == 0
    assert address.read(copy) == new
    assert address.main(["--check"], root=copy) == 0
    for path in [copy / "_config.yml", *address.places(copy)]:
        text = path.read_text(encoding="utf-8")
        assert new in text, path
        assert old not in text, path
    assert "colab.research.google.com/github/someone/a.book/blob/" in (copy / "README.md").read_text()
    notebook = (copy / "book" / "a.ipynb").read_text()
    assert "https://github.com/soumith/ganhacks" in notebook
    json.loads(notebook)
    assert f'Issues = "{new}/issues"' in (copy / "pyproject.toml").read_text()
    assert capsys.readouterr().err == ""


def test_a_place_with_another_address_is_found(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    notebook = copy / "book" / "a.ipynb"
    notebook.write_text(notebook.read_text().replace(address.read(copy), "https://github.com/else/where"))
    assert address.main(["--check"], root=copy) == 1
    assert "a.ipynb has another address" in capsys.readouterr().out
    assert "else/where" in notebook.read_text(), "--check must change nothing"


def test_an_address_that_colab_cannot_open_is_refused(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (copy / "_config.yml").read_text()
    assert address.main(["--set", "https://example.org/book.git"], root=copy) == 2
    assert "must look like https://github.com/OWNER/NAME" in capsys.readouterr().err
    assert (copy / "_config.yml").read_text() == before


# What no file may hold

TEXT = re.compile(r"\.(py|md|ipynb|m?js|css|svg|ya?ml|toml|cff|json|bib|lock)$|(^|/)[^.]+$")
# /home/me is nobody's: tests use it as an example.
MACHINE_PATH = re.compile(r"(?<![\w.~$:/<>*-])/(?:work|root|home(?!/me\b)|Users|mnt)/\w|\b[A-Z]:\\+Users\\")


LONGEST = 320  # lines of a Python file
TABLES = re.compile(
    r"tgan_lib/exercises/\w+\.py|tests/answers/\w+\.py|tests/mutants_right\.py"
)  # of mistakes: as long as need be


def listed(*options: str) -> list[str]:
    """What `git ls-files` says with these options, by line. Skips where there is no checkout to ask."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("needs a git checkout, to know which files belong to the repository")
    command = ["git", "ls-files", "-z", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.split("\0")[:-1]


def ours() -> list[Path]:
    """The repository's files, those that are about to be committed too."""
    names = listed("--cached", "--others", "--exclude-standard")
    return [ROOT / name for name in names if (ROOT / name).is_file()]


def test_no_file_is_a_symbolic_link() -> None:
    """Windows clones a link as a text file that holds its target."""
    modes = [entry.split("\t") for entry in listed("--stage")]
    assert len(modes) > 20
    assert [name for mode, name in modes if mode.startswith("120000")] == []
    assert [str(path.relative_to(ROOT)) for path in ours() if path.is_symlink()] == []


def test_no_python_file_is_too_long_to_read_but_tables_of_mistakes() -> None:
    lines = {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8").count("\n")
        for path in ours()
        if path.suffix == ".py"
    }
    assert len(lines) > 50
    assert {name: n for name, n in lines.items() if n > LONGEST and not TABLES.fullmatch(name)} == {}


def test_no_text_file_names_a_path_of_somebodys_machine() -> None:
    assert MACHINE_PATH.search(" see " + "/home" + "/ada/book"), "the pattern is blind"
    files = [path for path in ours() if TEXT.search(path.relative_to(ROOT).as_posix())]
    assert len(files) > 20
    found = []
    for path in files:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if match := MACHINE_PATH.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line[match.start() : match.end() + 40]}")
    assert found == []
