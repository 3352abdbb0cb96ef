"""Where the plain notebooks' links lead, and what a citation says: the one place that decides it.

Once the book has an address, links lead to its site. Until then nothing is there and no link may lead there: a
chapter's is to the plain notebook beside it, another page's to its file in the repository, and a term is set in
italics. A citation leads to the paper.
"""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import address
import nbformat
from hygiene import glossary_terms
from notebooks import ROOT, markdown
from pybtex.database import Entry, parse_file
from sphinx.util.nodes import _make_id

FOLDER = "notebooks"  # of the plain notebooks, in the root
GLOSSARY, BIBLIOGRAPHY = "book/reference/glossary.md", "book/reference/bibliography.md"
LABEL = re.compile(r"^\(([\w-]+)\)=\s*\n+#+ +(.+)$", re.M)


def extension(name: str) -> ModuleType:
    """book/_ext/NAME.py, so that a page of the site and a plain notebook say the same."""
    folder = ROOT / "book" / "_ext"
    if str(folder) not in sys.path:
        sys.path.append(str(folder))  # last, since a tool may have the name of one
    spec = importlib.util.spec_from_file_location(f"book_{name}", folder / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module


def page_text(path: Path) -> str:
    """The Markdown of a page or a notebook."""
    if path.suffix == ".ipynb":
        return markdown(nbformat.read(path, as_version=4))
    return path.read_text(encoding="utf-8")


@dataclass(frozen=True)
class Index:
    """What links are made from. `site` has no slash at its end, and is None while the book has no address."""

    root: Path
    site: str | None
    terms: Mapping[str, str]  # in lower case -> as the glossary spells it
    entries: Mapping[str, Entry]  # of references.bib, by key
    titles: Mapping[Path, str]  # of every page
    labels: Mapping[str, tuple[Path, str]]  # a label -> its page, and the heading under it
    substitutions: Mapping[str, str]

    @classmethod
    def read(cls, root: Path = ROOT, url: str | None = None) -> Index:
        """The index of the book in `root`, as if its repository were at `url` (default: that of _config.yml)."""
        url = url or address.read(root)
        texts = {path: page_text(path) for path in sorted((root / "book").rglob("*.*")) if is_page(path)}
        spellings = glossary_terms(texts[root / GLOSSARY])
        return cls(
            root=root,
            site=address.site(url),
            terms={term.lower(): term for term in spellings},
            entries=parse_file(root / "book" / "references.bib").entries,
            titles={path: heading(text) for path, text in texts.items()},
            labels={
                name: (path, title) for path, text in texts.items() for name, title in LABEL.findall(text)
            },
            substitutions=extension("address").substitutions(url),
        )

    def page(self, path: Path, anchor: str = "") -> str:
        """The address of a page: on the site if there is one, else of a file, relative to the plain notebooks."""
        if self.site:
            name = path.relative_to(self.root).with_suffix(".html").as_posix()
            return f"{self.site}/{name}" + (f"#{anchor}" if anchor else "")
        if path.suffix == ".ipynb":
            return path.name
        return Path(os.path.relpath(path, self.root / FOLDER)).as_posix()

    def term(self, target: str, words: str) -> str:
        """`words`, linked to the definition of `target`. KeyError if there is none."""
        spelt = self.terms[" ".join(target.split()).lower()]
        if not self.site:
            return f"*{words}*"
        return f"[{words}]({self.page(self.root / GLOSSARY, _make_id(f'term-{spelt}'))})"

    def link(self, target: str, source: Path, words: str) -> str:
        """`words` (if empty, the title there) linked to a page, an anchor or a label, as seen from `source`."""
        name, _, anchor = target.partition("#")
        if not name and anchor in self.labels:
            path, title = self.labels[anchor]
        else:
            path = self.find(name, source) if name else source
            title = self.titles.get(path, path.name)
        words = words or title
        return words if path == source and not self.site else f"[{words}]({self.page(path, anchor)})"

    def find(self, name: str, source: Path) -> Path:
        """The page that `name` is, seen from `source`, with or without its ending. ValueError if there is none."""
        base = self.root / name[1:] if name.startswith("/") else source.parent / name
        wanted = Path(os.path.normpath(base))
        for path in (wanted, *(wanted.with_name(wanted.name + end) for end in (".md", ".ipynb"))):
            if path in self.titles:
                return path
        raise ValueError(f"a link leads to {name!r}, which is no page of the book")

    def citation(self, key: str) -> tuple[str, str, str]:
        """(authors, year, address) of an entry. KeyError if there is none."""
        entry: Any = self.entries[key]
        people = entry.persons["author"]
        names = [" ".join([*person.prelast_names, *person.last_names]) for person in people]
        said = names[0] + (f" and {names[1]}" if len(names) == 2 else " et al." if len(names) > 2 else "")
        fields = entry.fields
        at = fields.get("url") or (f"https://doi.org/{fields['doi']}" if "doi" in fields else "")
        at = at or self.page(self.root / BIBLIOGRAPHY)
        plain = re.sub(r"[{}]", "", said)
        return plain, str(fields["year"]), at.replace("(", "%28").replace(")", "%29")


def is_page(path: Path) -> bool:
    """Whether a file is a page of the book: Markdown or a notebook, and no editor's copy."""
    return path.suffix in (".md", ".ipynb") and not any(part.startswith(".") for part in path.parts)


def heading(text: str) -> str:
    """The first heading of a page."""
    found = re.search(r"^# +(.+)$", text, re.M)
    return found[1].strip() if found else ""
