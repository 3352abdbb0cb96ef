"""Imports point one way: which wing of the library may know which, no circle, and nothing of the book."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import tgan_lib

LIBRARY = Path(tgan_lib.__file__).parent
FILES = sorted(LIBRARY.rglob("*.py"))


def module_name(path: Path) -> str:
    parts = path.relative_to(LIBRARY.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in FILES}


def imported(path: Path, late: bool) -> set[str]:
    """Our modules that a file imports when it is imported, and with `late` those inside functions too.

    What stands under `if TYPE_CHECKING` is for the type checker alone and does not count.
    """
    package = module_name(path) if path.name == "__init__.py" else module_name(path).rpartition(".")[0]
    found: set[str] = set()

    def look(node: ast.AST) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            return
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and not late:
            return
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            start = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                deeper = f"{start}.{alias.name}"
                found.add(deeper if deeper in MODULES else start)
        for child in ast.iter_child_nodes(node):
            look(child)

    look(ast.parse(path.read_text()))
    return found & MODULES.keys()


def wing(module: str) -> str:
    """`tgan_lib.training.loop` -> "training"; the library's own __init__ -> ""."""
    return module.partition(".")[2].partition(".")[0]


# Wing -> what it may know nothing of, inside functions either.
UPPER = {"training", "transfer", "zoo", "latent", "widgets", "exercises", "chapters", "bench", "plots"}
FORBIDDEN = {
    "device": {wing(module) for module in MODULES} - {"device", "errors"},
    "errors": {wing(module) for module in MODULES} - {"errors"},
    "losses": UPPER | {"gan", "networks", "data", "augment", "metrics"},
    "networks": UPPER | {"gan", "data", "augment", "metrics", "losses"},
    "features": UPPER | {"gan", "data", "augment", "metrics", "losses", "networks"},
    "data": UPPER | {"gan", "networks", "features", "augment", "metrics", "losses"},
    "augment": UPPER | {"gan", "networks", "features", "data", "metrics", "losses"},
    # what takes up a saved GAN again asks, inside a function, for its adapters and for the reader of checkpoints
    "gan": UPPER - {"transfer", "training"} | {"data", "augment", "metrics", "losses"},
    "plain": {wing(module) for module in MODULES} - {"plain", "errors"},
    "files": {wing(module) for module in MODULES} - {"files", "errors"},
    "training": {
        "plots",
        "transfer",
        "zoo",
        "widgets",
        "exercises",
        "chapters",
        "bench",
        "metrics",
        "latent",
    },
    "transfer": {"plots", "zoo", "widgets", "exercises", "chapters", "bench", "metrics"},
    "metrics": UPPER,
    "exercises": {"chapters", "bench", "zoo", "widgets", "training"},
}


@pytest.mark.parametrize("name", FORBIDDEN)
def test_a_wing_knows_nothing_of_those_above_it(name: str) -> None:
    known = {
        f"{module} imports {other}"
        for module, path in MODULES.items()
        if wing(module) == name
        for other in imported(path, late=True)
        if wing(other) in FORBIDDEN[name]
    }
    assert not known, "\n".join(sorted(known))


def test_no_import_goes_in_a_circle() -> None:
    # A package's face stands for its files, since to import one of them runs the face first.
    graph = {module: imported(path, late=False) - {module, "tgan_lib"} for module, path in MODULES.items()}
    TopologicalSorter(graph).prepare()  # raises CycleError, naming the circle


def test_late_imports_make_no_circle_either_but_for_those_that_are_meant() -> None:
    late = {
        (module, other)
        for module, path in MODULES.items()
        for other in imported(path, late=True) - imported(path, late=False)
    }
    assert {wing(module) for module, _ in late} <= {"", "__main__", "widgets", "gan", "zoo"}, late


def test_the_library_knows_nothing_of_the_book() -> None:
    ours = {path.stem for path in (LIBRARY.parent / "book").rglob("*.py")}
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            named = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                named = [node.module or ""]
            roots = {name.split(".")[0] for name in named}
            assert "book" not in roots
            assert not roots & ours, f"{path}: {roots & ours}"


@pytest.mark.parametrize(
    ("wanted", "unwanted"),
    [
        ("tgan_lib", ["matplotlib", "ipywidgets", "sklearn", "torchvision", "tgan_lib.training.train"]),
        ("tgan_lib.gan", ["tgan_lib.training", "tgan_lib.transfer", "tgan_lib.zoo"]),
        ("tgan_lib.zoo", ["tgan_lib.training.train", "tgan_lib.zoo.recipes", "matplotlib"]),
        ("tgan_lib.exercises", ["tgan_lib.training.train", "matplotlib"]),
    ],
)
def test_what_an_import_does_not_bring_along(wanted: str, unwanted: list[str]) -> None:
    code = f"import sys, {wanted}; print([name for name in {unwanted!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
