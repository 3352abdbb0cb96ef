"""What a call must leave as it was: the random generators, torch's defaults, and the arguments that it was given."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

State = dict[str, Any]


@dataclass(frozen=True)
class Surroundings:
    """The global state that every part of a program shares."""

    torch_rng: Tensor
    torch_seed: int
    numpy_rng: tuple[Any, ...]
    python_rng: tuple[Any, ...]
    dtype: torch.dtype
    grad: bool
    deterministic: int

    @classmethod
    def now(cls) -> Surroundings:
        return cls(
            torch.get_rng_state(),
            torch.initial_seed(),
            tuple(np.random.get_state()),
            random.getstate(),
            torch.get_default_dtype(),
            torch.is_grad_enabled(),
            torch.get_deterministic_debug_mode() + 4 * torch.are_deterministic_algorithms_enabled(),
        )

    def restore(self) -> None:
        self.restore_rng()
        torch.set_default_dtype(self.dtype)
        torch.set_grad_enabled(self.grad)
        if self.deterministic != Surroundings.now().deterministic:
            torch.set_deterministic_debug_mode(self.deterministic % 4)

    def restore_rng(self) -> None:
        torch.set_rng_state(self.torch_rng)
        np.random.set_state(self.numpy_rng)
        random.setstate(self.python_rng)

    def changed(self, *, draws: bool) -> str | None:
        """A sentence on what is not as it was, or None. `draws`: drawing from the global generators is allowed."""
        now = Surroundings.now()
        if now.grad != self.grad:
            return (
                "gradients are still switched off after the call, and nothing learns any more: use "
                "`with torch.no_grad():`, which switches them on again."
            )
        if now.dtype != self.dtype:
            return f"your function sets torch's default dtype to {now.dtype}, for the whole program."
        if now.deterministic != self.deterministic:
            return "your function switches torch's deterministic algorithms, for the whole program."
        if draws and now.torch_seed != self.torch_seed:
            return "your function sets torch's global seed, for the whole program."
        if draws:
            return None
        kinds = {
            "torch's": not torch.equal(now.torch_rng, self.torch_rng),
            "numpy's": not _same_numpy(now.numpy_rng, self.numpy_rng),
            "Python's": now.python_rng != self.python_rng,
        }
        for whose, moved in kinds.items():
            if moved:
                return (
                    f"your function draws from {whose} global random generator, or sets its seed: use what is given, "
                    "and draw nothing."
                )
        return None


def _same_numpy(a: tuple[Any, ...], b: tuple[Any, ...]) -> bool:
    return a[0] == b[0] and np.array_equal(a[1], b[1]) and a[2:] == b[2:]


def tensors_of(value: Any, name: str = "") -> dict[str, Tensor]:
    """Every tensor in a tensor, a network, or a list or dictionary of these, by its name."""
    if isinstance(value, Tensor):
        return {name: value}
    if isinstance(value, nn.Module):
        found = dict(value.named_parameters()) | dict(value.named_buffers())
        return {f"{name}.{key}" if name else key: tensor for key, tensor in found.items()}
    if isinstance(value, Mapping):
        items = [(f"{name}[{key!r}]", part) for key, part in value.items()]
    elif isinstance(value, (list, tuple)):
        items = [(f"{name}[{i}]", part) for i, part in enumerate(value)]
    else:
        return {}
    return {key: tensor for label, part in items for key, tensor in tensors_of(part, label).items()}


def has_nan(value: Any) -> bool:
    """True where a NaN stands in a number, a tensor, a network, or a list or dictionary of these."""
    if isinstance(value, float):
        return value != value
    if isinstance(value, np.ndarray | np.generic):
        return bool(value.dtype.kind in "fc" and np.isnan(value).any())
    if isinstance(value, (list, tuple)) and not any(isinstance(part, Tensor) for part in value):
        return any(has_nan(part) for part in value)
    return any(
        bool(tensor.isnan().any())
        for tensor in tensors_of(value).values()
        if not tensor.is_meta and (tensor.is_floating_point() or tensor.is_complex())
    )


def _plain(value: Any) -> Any:
    """Numbers, texts and the bare structure of containers: what `==` can compare safely."""
    if isinstance(value, (int, float, str, bool)) or value is None:
        return value
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    return id(value)


def snapshot(value: Any) -> State:
    """All of an argument that a call could change."""
    tensors = tensors_of(value)
    return {
        "plain": _plain(value),
        "modes": [part.training for part in value.modules()] if isinstance(value, nn.Module) else [],
        "values": {key: t.detach().clone() for key, t in tensors.items()},
        "wants": {key: t.requires_grad for key, t in tensors.items()},
        "grads": {key: None if t.grad is None else t.grad.clone() for key, t in tensors.items() if t.is_leaf},
    }


def difference(name: str, value: Any, before: State, *, may_mark: bool = False, backward: bool = False) -> str | None:
    """A sentence on how the argument `name` differs from its snapshot, or None where it does not.

    `may_mark`: its tensors may want gradients after the call, and did not before. `backward`: gradients may lie in it.
    """
    now = snapshot(value)
    if now["modes"] != before["modes"]:
        were, are = ("training" if any(modes) else "eval" for modes in (before["modes"], now["modes"]))
        return (
            f"`{name}` was in {were} mode before the call and is in {are} mode after it, or a layer of it is: leave "
            "the modes as you found them."
        )
    if now["plain"] != before["plain"] or now["values"].keys() != before["values"].keys():
        return f"your function has changed `{name}`, which was given to it: work on a copy."
    is_net = isinstance(value, nn.Module)
    parameters = dict(value.named_parameters()) if is_net else {}
    for key, old in before["values"].items():
        if _equal(now["values"][key], old):
            continue
        if key in parameters:
            return f"`{name}` has changed (its `{key}`): your function moves weights that it should leave alone."
        if is_net:
            return f"your function has changed the buffer `{key}` of `{name}`, which should stay as it was."
        return (
            f"`{name}`, which was given, has been changed in place: an operation whose name ends in _, or an "
            "assignment to a part, writes into it. Return a new tensor."
        )
    for key, wanted in before["wants"].items():
        wants = now["wants"][key]
        if wanted and not wants:
            return f"after the call `{name}` no longer wants gradients, and its own step needs them."
        if wants and not wanted and not may_mark and is_net:
            return f"after the call `{name}` wants gradients where it was frozen: leave requires_grad as you found it."
        if wants and not wanted and not may_mark:
            return (
                f"after the call `{name}` wants gradients, and did not before: mark a copy, as in "
                f"`{name}.detach().requires_grad_()`."
            )
    for key, old in before["grads"].items() if not backward else ():
        grad = now["grads"].get(key)
        if not ((grad is None and old is None) or (None not in (grad, old) and _equal(grad, old))):
            return (
                f"your function calls backward, which leaves gradients in `{name}`; return the value, and leave that "
                "to the loop. Inner gradients come from torch.autograd.grad."
            )
    return None


def _equal(a: Any, b: Any) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype and bool(torch.allclose(a, b, 0.0, 0.0, equal_nan=True))
