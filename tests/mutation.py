"""Mutants of a function: its syntax tree with one place changed, as a slip or a misconception would change it."""

from __future__ import annotations

import ast
import copy
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

# A name of a function or method, and what somebody may have taken it for.
TOGETHER = {
    "mean": "sum",
    "sum": "mean",
    "min": "max",
    "max": "min",
    "any": "all",
    "all": "any",
    "sqrt": "square",
    "square": "abs",
    "exp": "log1p",
    "log": "log1p",
    "sigmoid": "tanh",
    "relu": "abs",
    "softplus": "relu",
    "parameters": "buffers",
    "buffers": "parameters",
    "eval": "train",
    "randn": "rand",
    "round": "floor",
}
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Pow: ast.Mult,
}
COMPARISONS: dict[type[ast.cmpop], list[type[ast.cmpop]]] = {
    ast.Lt: [ast.LtE, ast.GtE],
    ast.LtE: [ast.Lt, ast.Gt],
    ast.Gt: [ast.GtE, ast.LtE],
    ast.GtE: [ast.Gt, ast.Lt],
    ast.Eq: [ast.NotEq],
    ast.NotEq: [ast.Eq],
    ast.In: [ast.NotIn],
}


@dataclass(frozen=True)
class Mutant:
    """What was done, in words that `mutants_right` can quote, and the function's source after it."""

    what: str
    source: str


def mutants(function: ast.FunctionDef) -> Iterator[Mutant]:
    """Every mutant of a function, each source once."""
    original = ast.unparse(function)
    seen = {original}
    for what, tree in _trees(function):
        source = ast.unparse(ast.fix_missing_locations(tree))
        if source not in seen:
            seen.add(source)
            yield Mutant(what, source)


def _trees(function: ast.FunctionDef) -> Iterator[tuple[str, ast.FunctionDef]]:
    """(what was done, the changed tree), one place at a time."""
    body = [node for statement in function.body for node in ast.walk(statement)]
    for place, node in enumerate(body):
        for what, change in _changes(node):
            tree = copy.deepcopy(function)
            twin = [n for statement in tree.body for n in ast.walk(statement)][place]
            changed = change(twin)
            yield (
                f"{ast.unparse(node).splitlines()[0]} -> {what}",
                tree if changed is twin else _replaced(tree, twin, changed),
            )
    yield from _whole(function)


def _replaced(tree: ast.FunctionDef, old: ast.AST, new: ast.AST | None) -> ast.FunctionDef:
    """The tree with a node in another's place; None takes a statement out."""

    class Swap(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> Any:
            if node is old:
                return ast.Pass() if new is None else new
            return self.generic_visit(node)

    found: ast.FunctionDef = Swap().visit(tree)
    return found


def _changes(node: ast.AST) -> Iterator[tuple[str, Any]]:
    """(in words, a function that changes a copy of the node or returns what stands in its place)."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.Not, ast.Invert)):
        yield "without the sign", lambda n: n.operand
    if isinstance(node, ast.BinOp):
        if type(node.op) in OPERATORS:
            other = OPERATORS[type(node.op)]
            yield other.__name__, lambda n: _set(n, op=other())
        yield "left alone", lambda n: n.left
        yield "right alone", lambda n: n.right
        if not isinstance(node.op, (ast.Add, ast.Mult)):
            yield "exchanged", lambda n: _set(n, left=n.right, right=n.left)
    if isinstance(node, ast.BoolOp):
        swap = ast.Or if isinstance(node.op, ast.And) else ast.And
        yield swap.__name__, lambda n: _set(n, op=swap())
        for i in range(len(node.values)):
            yield (
                f"without part {i}",
                lambda n, i=i: _set(n, values=[v for j, v in enumerate(n.values) if j != i] * 2),
            )
    if isinstance(node, ast.Compare):
        for other_op in COMPARISONS.get(type(node.ops[0]), []):
            yield other_op.__name__, lambda n, o=other_op: _set(n, ops=[o()])
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        yield from _constants(node)
    if isinstance(node, ast.Call):
        yield from _calls(node)
    if isinstance(node, ast.Subscript):
        yield from _slices(node)
    if isinstance(node, ast.If):
        yield "the other way", lambda n: _set(n, test=ast.UnaryOp(ast.Not(), n.test))
    if isinstance(node, (ast.Expr, ast.Assign, ast.AugAssign)) and not _is_docstring(node):
        yield "left out", lambda n: None
    if isinstance(node, ast.For):
        for part in ("[1:]", "[:-1]", "[::-1]"):
            yield (
                f"over {part}",
                lambda n, part=part: _set(n, iter=_expression(f"list({ast.unparse(n.iter)}){part}")),
            )
    if isinstance(node, ast.comprehension):
        for part in ("[1:]", "[:-1]"):
            yield (
                f"over {part}",
                lambda n, part=part: _set(n, iter=_expression(f"list({ast.unparse(n.iter)}){part}")),
            )
    if isinstance(node, ast.With):
        yield "without it", lambda n: ast.If(ast.Constant(True), n.body, [])
    if isinstance(node, (ast.Assign, ast.Return)) and node.value is not None:
        yield from _values(node)


def _set(node: ast.AST, **fields: Any) -> ast.AST:
    for name, value in fields.items():
        setattr(node, name, value)
    return node


def _expression(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _constants(node: ast.Constant) -> Iterator[tuple[str, Any]]:
    if isinstance(node.value, bool):
        yield str(not node.value), lambda n: ast.Constant(not n.value)
        return
    for value in dict.fromkeys((node.value + 1, node.value - 1, node.value * 2, node.value / 2, 0, 1)):
        kept = int(value) if isinstance(node.value, int) else value
        yield str(kept), lambda n, kept=kept: ast.Constant(kept)


def _calls(node: ast.Call) -> Iterator[tuple[str, Any]]:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name in TOGETHER:
        field = "attr" if isinstance(node.func, ast.Attribute) else "id"
        yield TOGETHER[name], lambda n: _set(n, func=_set(n.func, **{field: TOGETHER[name]}))
    if isinstance(node.func, ast.Attribute):  # x.f(...) -> x
        yield f"without .{name}()", lambda n: n.func.value
    elif len(node.args) == 1 and name not in ("len", "range", "enumerate"):  # f(x) -> x
        yield f"without {name}()", lambda n: n.args[0]
    for i in range(len(node.args) - 1):
        exchanged = f"arguments {i} and {i + 1} exchanged"
        yield (
            exchanged,
            lambda n, i=i: _set(n, args=[*n.args[:i], n.args[i + 1], n.args[i], *n.args[i + 2 :]]),
        )
    for i, keyword in enumerate(node.keywords):
        yield (
            f"without {keyword.arg}=",
            lambda n, i=i: _set(n, keywords=[k for j, k in enumerate(n.keywords) if j != i]),
        )


def _slices(node: ast.Subscript) -> Iterator[tuple[str, Any]]:
    yield "whole", lambda n: n.value
    if isinstance(node.slice, ast.Slice):
        for name in ("lower", "upper"):
            if getattr(node.slice, name) is not None:
                yield f"{name} + 1", lambda n, name=name: _set(n, slice=_moved(n.slice, name, 1))
                yield f"{name} - 1", lambda n, name=name: _set(n, slice=_moved(n.slice, name, -1))
                yield f"without {name}", lambda n, name=name: _set(n, slice=_set(n.slice, **{name: None}))


def _moved(piece: ast.AST, name: str, by: int) -> ast.AST:
    return _set(piece, **{name: ast.BinOp(getattr(piece, name), ast.Add(), ast.Constant(by))})


def _values(node: ast.Assign | ast.Return) -> Iterator[tuple[str, Any]]:
    """What may befall a whole value; most of these raise where it is no tensor, and then they say nothing."""
    for suffix in (
        ".detach()",
        ".abs()",
        ".clamp(0, 1)",
        ".clamp(min=0)",
        ".flip(0)",
        " + float('nan')",
        " * 0.99",
    ):
        yield (
            f"({suffix.strip()})",
            lambda n, suffix=suffix: _set(n, value=_expression(f"({ast.unparse(n.value)}){suffix}")),
        )
    if isinstance(node, ast.Return):
        yield "negated", lambda n: _set(n, value=ast.UnaryOp(ast.USub(), n.value))
        yield "as a float", lambda n: _set(n, value=_expression(f"float({ast.unparse(n.value)})"))
        yield "None", lambda n: _set(n, value=ast.Constant(None))


def _whole(function: ast.FunctionDef) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Mutants of the whole function: parameters exchanged, inputs written to, modes and defaults changed."""
    names = [argument.arg for argument in function.args.args]
    start = int(_is_docstring(function.body[0]))
    for first, second in itertools.pairwise(names):
        tree = copy.deepcopy(function)
        tree.body.insert(start, ast.parse(f"{first}, {second} = {second}, {first}").body[0])
        yield f"{first} and {second} exchanged", tree
    before = [f"{name}.data.mul_(1.5)" for name in names]  # an input overwritten, a network left otherwise
    before += [f"{name}.requires_grad_()" for name in names]
    before += [f"{name}.train(not {name}.training)" for name in names]
    before += [f"next({name}.parameters()).data.mul_(1.5)" for name in names]
    before += [f"{name}.pop()" for name in names]
    before += [
        "torch.manual_seed(7)",
        "torch.set_grad_enabled(False)",
        "torch.set_default_dtype(torch.float64)",
    ]
    for text in before:
        tree = copy.deepcopy(function)
        solved = ast.FunctionDef("_solved", copy.deepcopy(function.args), tree.body[start:], [], None)
        solved.type_params = []  # type: ignore[attr-defined]
        after = f"import torch\ntry:\n    result = _solved({', '.join(names)})\nfinally:\n    {text}\nreturn result"
        tree.body = [*tree.body[:start], solved, *ast.parse(after).body]
        yield f"then {text}", tree
