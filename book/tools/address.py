"""Writes the book's address into every file that cannot read it from _config.yml.

    python book/tools/address.py              write `repository.url` of _config.yml everywhere
    python book/tools/address.py --set URL    put URL into _config.yml first
    python book/tools/address.py --check      change nothing; exit with 1 if a file has another address

The places: README.md between `<!-- address:start -->` and `<!-- address:end -->`, the install line of every
notebook, CITATION.cff, and [project.urls] in pyproject.toml. The plain notebooks, whose links lead to the book's
site, are written anew.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
# An owner or a name. Full stops stand inside only, so that a sentence may end after an address.
PART = r"[\w-]+(?:\.[\w-]+)*"
URL = rf"https://github\.com/{PART}/{PART}"


def read(root: Path) -> str:
    """The address in _config.yml, without a slash at the end."""
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    return str(config["repository"]["url"]).rstrip("/")


def site(url: str) -> str | None:
    """Where GitHub publishes that repository's pages, without a slash at the end; None for the placeholder."""
    owner, name = url.removeprefix("https://github.com/").split("/")
    return None if owner.startswith("-") else f"https://{owner.lower()}.github.io/{name}"


def check_shape(url: str) -> None:
    """Raises ValueError unless `url` is one that the launch buttons can use."""
    if not re.fullmatch(URL, url):
        raise ValueError(
            f"{url!r} cannot be the book's address: it must look like https://github.com/OWNER/NAME, "
            "since Colab opens a notebook from there."
        )


def replace(pattern: str, text: str, url: str) -> str:
    """`text` with the address, plain or in a Colab link, changed to `url` in every match of `pattern`."""
    name = url.removeprefix("https://github.com/")

    def rewrite(match: re.Match[str]) -> str:
        colab = re.sub(rf"(colab\.research\.google\.com/github/){PART}/{PART}", rf"\g<1>{name}", match[0])
        return re.sub(URL, url, colab)

    return re.sub(pattern, rewrite, text, flags=re.MULTILINE | re.DOTALL)


def patterns(path: Path) -> list[str]:
    """Where in this file the book's own address may stand; other repositories are left alone."""
    if path.suffix == ".ipynb":
        return [rf"git\+{URL}", rf"colab\.research\.google\.com/github/{PART}/{PART}"]
    return {
        "_config.yml": [rf"(?<=\n  url: ){URL}"],
        "README.md": [r"<!-- address:start -->.*?<!-- address:end -->"],
        "CITATION.cff": [rf"^(?:repository-code|url): *[\"']?{URL}"],
        "pyproject.toml": [r"^\[project\.urls\]\n(?:[^\[\n][^\n]*\n?|\n)*"],
    }[path.name]


def places(root: Path) -> list[Path]:
    """The files that hold a copy of the address."""
    files = [root / name for name in ("README.md", "CITATION.cff", "pyproject.toml")]
    return [f for f in files if f.is_file()] + sorted((root / "book").rglob("*.ipynb"))


def written(path: Path, url: str) -> str:
    """The file's text with the book's address set to `url`."""
    text = path.read_text(encoding="utf-8")
    for pattern in patterns(path):
        text = replace(pattern, text, url)
    return text


def stale(root: Path) -> list[Path]:
    """The files whose address is not the one in _config.yml."""
    url = read(root)
    return [path for path in places(root) if written(path, url) != path.read_text(encoding="utf-8")]


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(description="Write the book's address everywhere.")
    parser.add_argument("--set", metavar="URL", help="the new address, https://github.com/OWNER/NAME")
    parser.add_argument("--check", action="store_true", help="change nothing, exit with 1 if a file differs")
    options = parser.parse_args(arguments)
    try:
        url = (options.set or read(root)).rstrip("/")
        check_shape(url)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    if options.set and not options.check:
        config = root / "_config.yml"
        config.write_text(written(config, url), encoding="utf-8")
    differ = stale(root)
    for path in differ:
        name = path.relative_to(root)
        if options.check:
            print(f"{name} has another address than _config.yml ({url}): run python book/tools/address.py")
        else:
            path.write_text(written(path, url), encoding="utf-8")
            print(f"{name}: {url}")
    if not options.check:
        import plain  # here, since it reads the address through this module

        plain.write_all(root)
    return 1 if options.check and differ else 0


if __name__ == "__main__":
    sys.exit(main())
