"""What a call makes, as tensors that can be compared: its value in parts, and its gradients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from .core import Wrong, shown, wrong_if

Parts = dict[str, Tensor]
Slopes = dict[str, Tensor | None]


@dataclass(frozen=True)
class Outcome:
    """What one call made: its value as tensors (one, or those of a pair or a dictionary), and the gradients."""

    parts: Parts
    slopes: Slopes = field(default_factory=dict)


@dataclass(frozen=True)
class Reading:
    """How a returned value is read: its name and the hint for messages, and the names of a pair's parts."""

    what: str
    hint: str
    names: Sequence[str]

    def parts(self, value: Any, like: Any) -> Parts:
        """The value as tensors of float64 that keep their gradients: several where the right value is several.

        Raises `Wrong` for what is no number, tensor, list of numbers, or pair or dictionary of these as `like` is.
        """
        if isinstance(like, Mapping):
            wrong_if(
                not isinstance(value, Mapping), f"your function returns {shown(value)}; {self.what} is a dictionary."
            )
            lacking, extra = [k for k in like if k not in value], [k for k in value if k not in like]
            wrong_if(bool(lacking), f"{self.what} should hold {lacking[:1]}, and yours does not.")
            wrong_if(bool(extra), f"{self.what} should not hold {shown(extra[:1])}, and yours does.")
            return {str(key): self.tensor(value[key]) for key in like}
        if isinstance(like, tuple):
            several = list(value.values()) if isinstance(value, Mapping) else value
            whole = isinstance(several, (tuple, list)) or (isinstance(several, Tensor) and several.ndim > 0)
            names = self.names or [f"value {i + 1}" for i in range(len(like))]
            if not whole or len(several) != len(like):
                raise Wrong(f"your function returns {shown(value)}; return {len(like)} values: {', '.join(names)}.")
            return {name: self.tensor(one) for name, one in zip(names, several, strict=True)}
        return {"": self.tensor(value)}

    def tensor(self, value: Any) -> Tensor:
        """A number, a tensor or a list of numbers as float64, one number without axes, None as an empty tensor."""
        if value is None:
            return torch.empty(0, dtype=torch.float64)
        try:
            if isinstance(value, (str, bytes, Mapping, nn.Module)):
                raise TypeError
            if isinstance(value, (list, tuple)) and any(isinstance(one, Tensor) for one in value):
                value = torch.stack([torch.as_tensor(one) for one in value])
            tensor = torch.as_tensor(value)
            if tensor.is_complex() or tensor.is_meta or tensor.is_sparse:
                raise TypeError
            tensor = tensor.double()
        except Exception:  # an object of the reader's own may raise anything
            hint = f"; {self.hint}" if self.hint else ""
            raise Wrong(f"your function returns {shown(value)}, and {self.what} is wanted{hint}.") from None
        return tensor.reshape(()) if tensor.numel() == 1 else tensor

    def wrong_shape(self, part: Tensor, wanted: Tensor, of: str) -> str:
        """What to say of a part whose shape is not the one that is wanted."""
        seen = f"a tensor of shape {tuple(part.shape)}" if part.numel() else "None"
        right = f"of shape {tuple(wanted.shape)}" if wanted.ndim else "one number"
        right = right if wanted.numel() else "None"
        hint = f": {self.hint}" if self.hint else ""
        return f"your function returns {seen}{f' as {of}' if of else ''}; {self.what} is {right}{hint}."


def outcome(parts: Parts, targets: Parts) -> Outcome:
    """The parts' values, and the gradients in the targets of a sum that gives each number a weight of its own."""
    plain = {key: part.detach().clone() for key, part in parts.items()}
    total = sum((_mixed(part) for part in parts.values()), torch.zeros((), dtype=torch.float64))
    if not targets or not total.requires_grad:
        return Outcome(plain, dict.fromkeys(targets))
    slopes = torch.autograd.grad(total, list(targets.values()), allow_unused=True, retain_graph=True)
    return Outcome(plain, dict(zip(targets, slopes, strict=True)))


def _mixed(part: Tensor) -> Tensor:
    """With these weights no wrong gradient cancels."""
    weights = 1 + torch.arange(part.numel(), dtype=torch.float64).sin() / 2
    return (part.flatten() * weights).sum()


@dataclass(frozen=True)
class Tolerance:
    relative: float
    absolute: float

    @classmethod
    def of(cls, given: float | tuple[float, float]) -> Tolerance:
        return cls(*given) if isinstance(given, tuple) else cls(given, given)

    def alike(self, a: Tensor, b: Tensor) -> bool:
        """One shape, and close; NaN is like NaN, since mistakes are compared too."""
        return a.shape == b.shape and bool(
            torch.allclose(a.double(), b.double(), self.relative, self.absolute, equal_nan=True)
        )

    def same_values(self, a: list[Outcome], b: list[Outcome]) -> bool:
        return all(
            x.parts.keys() == y.parts.keys() and all(self.alike(x.parts[k], y.parts[k]) for k in x.parts)
            for x, y in zip(a, b, strict=True)
        )

    def same_slopes(self, a: list[Outcome], b: list[Outcome]) -> bool:
        """No gradient and a gradient of 0 count as the same."""

        def alike(x: Tensor | None, y: Tensor | None) -> bool:
            if x is None or y is None:
                return all(slope is None or not bool(slope.any()) for slope in (x, y))
            return self.alike(x, y)

        return all(alike(x.slopes[k], y.slopes[k]) for x, y in zip(a, b, strict=True) for k in y.slopes)

    def worst(self, a: Tensor, b: Tensor) -> tuple[int, ...]:
        """Where two tensors of one shape that are not alike lie furthest apart."""
        off = (a.double() - b.double()).abs().nan_to_num(torch.inf, torch.inf)
        off = off.masked_fill(torch.isclose(a.double(), b.double(), self.relative, self.absolute), -1.0)
        return tuple(int(i) for i in torch.unravel_index(off.argmax(), off.shape))


def short(number: float) -> str:
    return f"{number:.4g}" if abs(number) >= 1000 or number == round(number, 2) else f"{number:.4f}"


def described(arguments: Mapping[str, Any]) -> str:
    """The arguments that are short enough to be read, before a sentence."""
    plain = {
        name: value.tolist() if isinstance(value, Tensor) else value
        for name, value in arguments.items()
        if isinstance(value, (int, float, list)) or (isinstance(value, Tensor) and value.numel() <= 6)
    }
    text = ", ".join(f"{name} {_rounded(value)}" for name, value in plain.items())
    return f"for {text} " if text and len(text) < 160 else ""


def _rounded(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(str(_rounded(one)) for one in value)}]"
    return f"{value:g}" if isinstance(value, float) else value
