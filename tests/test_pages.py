"""The book's words outside the chapters: glossary, bibliography, README, landing page, API page."""

from __future__ import annotations

import importlib
import json
import re
import unicodedata
from collections import Counter
from pathlib import Path

import pytest
import yaml
from extensions import extension
from pybtex.database import Entry, parse_file

ROOT = Path(__file__).resolve().parents[1]
BOOK = ROOT / "book"
HAN = re.compile(r"[\u4e00-\u9fff]")
# Not for the API pages: wording of errors, checks of input, reading and writing of files, where a run came from.
INTERNAL = {"bench", "errors", "files", "inputs", "interrupts", "plain", "provenance", "data.download"}


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def page_texts() -> dict[str, str]:
    """The Markdown of every page and notebook of the book, by path from the root."""
    texts = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in BOOK.rglob("*.md")}
    for path in BOOK.rglob("*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        texts[str(path.relative_to(ROOT))] = "\n\n".join(
            "".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"
        )
    return texts


def glossary() -> dict[str, str]:
    """Term -> definition. Fails on a term that stands twice."""
    entries: list[tuple[str, str]] = []
    for block in re.findall(r"```\{glossary\}\n(.*?)```", read("book/reference/glossary.md"), re.DOTALL):
        for entry in block.strip().split("\n\n"):
            term, *definition = entry.split("\n")
            entries.append((term, " ".join(line.strip() for line in definition)))
    twice = [term for term, n in Counter(term.lower() for term, _ in entries).items() if n > 1]
    assert not twice
    return dict(entries)


GLOSSARY = glossary()
BIBLIOGRAPHY: dict[str, Entry] = dict(parse_file(BOOK / "references.bib").entries.items())


# Glossary


@pytest.mark.parametrize("term", GLOSSARY)
def test_a_term_is_english_and_its_definition_starts_with_the_chinese_one(term: str) -> None:
    assert not HAN.search(term)
    found = re.match(r'<span lang="zh">([^<]+)</span>\. (.+)', GLOSSARY[term])
    assert found, f'{term}: the definition should start with <span lang="zh">…</span>. '
    chinese, definition = found.groups()
    assert HAN.search(chinese), f"{chinese} has no Chinese character"
    sentences = re.findall(r"[.?](?=\s|$)", definition)
    assert 1 <= len(sentences) <= 3, f"{term}: {len(sentences)} sentences"


def test_no_chinese_term_stands_for_two_english_ones() -> None:
    chinese = Counter(re.findall(r'<span lang="zh">([^<]+)</span>', read("book/reference/glossary.md")))
    assert [term for term, n in chinese.items() if n > 1] == []


def test_every_term_that_a_page_uses_is_in_the_glossary() -> None:
    known = {term.lower() for term in GLOSSARY}
    missing = set()
    for name, text in page_texts().items():
        for role in re.findall(r"\{term\}`([^`]+)`", text):
            target = re.sub(r"^.*<(.+)>$", r"\1", role, flags=re.DOTALL)
            if " ".join(target.split()).lower() not in known:
                missing.add((name, target))
    assert not missing


# Bibliography


@pytest.mark.parametrize("key", BIBLIOGRAPHY)
def test_an_entry_names_author_title_year_and_venue(key: str) -> None:
    entry = BIBLIOGRAPHY[key]
    assert entry.persons.get("author")
    assert entry.fields.get("title")
    assert any(entry.fields.get(venue) for venue in ("booktitle", "journal", "institution"))
    assert re.fullmatch(r"(19|20)\d\d", entry.fields.get("year", ""))


@pytest.mark.parametrize("key", BIBLIOGRAPHY)
def test_a_key_is_the_first_surname_the_year_and_a_word(key: str) -> None:
    entry = BIBLIOGRAPHY[key]
    surname = entry.persons["author"][0].last_names[0].split("-")[0].replace("ı", "i")
    plain = unicodedata.normalize("NFKD", surname).encode("ascii", "ignore").decode().lower()
    assert re.fullmatch(rf"{plain}{entry.fields['year']}[a-z0-9]+", key)


def test_every_citation_has_an_entry() -> None:
    cited = {
        key.strip()
        for text in page_texts().values()
        for keys in re.findall(r"\{cite(?::\w+)?\}`([^`]+)`", text)
        for key in keys.split(",")
    }
    assert cited
    assert cited - BIBLIOGRAPHY.keys() == set()


def test_the_bibliography_lists_every_entry_cited_or_not() -> None:
    assert re.search(r"```\{bibliography\}\n:all:", read("book/reference/bibliography.md"))


# README


def test_what_the_readme_links_to_exists() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", read("README.md"))
    assert len(links) >= 8
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_paths_that_the_readme_lays_out_exist() -> None:
    layout = read("README.md").split("## How the repository is laid out")[1].split("\n\n")[1]
    paths = re.findall(r"`([^`]+)`", "\n".join(row.split("|")[1] for row in layout.split("\n")))
    assert len(paths) >= 10
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_readmes_two_commands_are_make_targets() -> None:
    commands = re.findall(r"^make (\w+)", read("README.md"), re.MULTILINE)
    assert commands == ["book", "test"]
    targets = re.findall(r"^([\w-]+):", read("Makefile"), re.MULTILINE)
    everywhere = set(commands)
    for name in ("README.md", "CONTRIBUTING.md", "book/start/how_to_use.md"):
        everywhere |= set(re.findall(r"`(?:\w+=\w+ )?make ([\w-]+)`", read(name)))
    assert everywhere - set(targets) == set()


def test_the_repositorys_address_stands_in_the_readme_only_between_the_markers() -> None:
    before, rest = read("README.md").split("<!-- address:start -->")
    inside, after = rest.split("<!-- address:end -->")
    url = yaml.safe_load(read("_config.yml"))["repository"]["url"]
    repository = url.removeprefix("https://github.com/")
    assert f"git+{url}" in inside
    assert f"{repository}/blob" in inside
    assert repository not in before + after


# Landing page


def test_each_written_chapter_has_a_card_with_its_picture_and_the_others_stand_at_the_bottom() -> None:
    page = read("book/index.md")
    cards = re.findall(
        r"\{grid-item-card\} (\d+)\. .+\n:link: (\S+)\n:link-type: doc\n:img-top: (\S+)\n:img-alt: .{10}",
        page,
    )
    written = re.findall(r"file: book/(\w+/(\d\d)_\w+)", read("_toc.yml"))
    assert [(number.zfill(2), link) for number, link, _ in cards] == [(n, file) for file, n in written]
    for _, link, picture in cards:
        assert (ROOT / "book" / picture).is_file()
        cells = json.loads(read(f"book/{link}.ipynb"))["cells"]
        drawn = [cell for cell in cells if "card-picture" in cell["metadata"].get("tags", [])]
        assert [bool(cell.get("outputs")) for cell in drawn] == [True], "one cell has the card's figure"
        assert page.count(f"{{measured}}`{link}` to run") == 1
    planned = [int(n) for n in re.findall(r"^\| (\d+) \|", page.partition("(the-plan)=")[2], re.MULTILINE)]
    assert sorted([int(n) for _, n in written] + planned) == list(range(1, 22))


# Version and licence


def test_the_citation_names_the_version_and_licence_of_the_package() -> None:
    citation = yaml.safe_load(read("CITATION.cff"))
    package = read("pyproject.toml")
    assert f'\nversion = "{citation["version"]}"' in package
    assert citation["license"] == "MIT"
    assert read("LICENSE").startswith("MIT License\n\nCopyright (c) 2026 The GANs That Transfer authors\n")
    assert citation["authors"] == [{"name": "The GANs That Transfer authors"}]
    assert "https://creativecommons.org/licenses/by/4.0/legalcode" in read("LICENSE-TEXT")
    assert citation["version"] in read("CHANGELOG.md")


# API page


def documented() -> list[str]:
    """The modules of the API pages, as names within the package."""
    pages = sorted((BOOK / "reference").glob("api_*.md"))
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    return re.findall(r"automodule:: tgan_lib\.([\w.]+)$", text, re.MULTILINE)


def test_the_api_pages_have_every_wing_and_every_module_that_stands_alone() -> None:
    package, listed = ROOT / "tgan_lib", documented()
    modules = {path.parent.name for path in package.glob("*/__init__.py")}
    modules |= {path.stem for path in package.glob("[!_]*.py")}
    assert len(listed) == len(set(listed))
    assert {name.split(".")[0] for name in listed} == modules - INTERNAL


def test_what_a_wing_exports_is_on_an_api_page() -> None:
    listed = {*documented(), *INTERNAL}
    wings = [path.parent.name for path in (ROOT / "tgan_lib").glob("*/__init__.py")]
    exported = 0
    for wing in set(wings) - listed:
        module = importlib.import_module(f"tgan_lib.{wing}")
        for name in getattr(module, "__all__", []):
            home = getattr(getattr(module, name), "__module__", None)  # a number or a dictionary has none
            assert home is None or home.removeprefix("tgan_lib.") in listed, f"{wing}.{name} is of {home}"
            exported += 1
    assert exported > 50


def test_a_plain_docstring_keeps_its_meaning_as_restructuredtext() -> None:
    found = extension("plain_docstrings")
    inline, restructured = found.inline, found.restructured
    assert inline("log1p(e^-|x|) and `a |b| c_`") == r"log1p(e^-\|x\|) and ``a |b| c_``"
    assert inline("a * b, name_ but latent_dim, ``whole``") == r"a \* b, name\_ but latent_dim, ``whole``"
    equation = "Head |x|.\n\n    |m1|\n    tr(C)\n\nTail."
    assert restructured(equation) == "Head \\|x\\|.\n\n::\n\n    |m1|\n    tr(C)\n\nTail.\n\n"
    hanging = "name: a word,\n    or two.\nsize: pixels."
    assert restructured(hanging) == "* name: a word,\n  or two.\n* size: pixels.\n\n"
    sections = "Head.\n\nArgs:\n    x: `a`.\n\nReturns:\n    b*.\n"
    assert restructured(sections) == "Head.\n\nArgs:\n    x: ``a``.\n\nReturns:\n    b\\*.\n"
