"""Reading the layers in between, by name, of any module: a discriminator, a generator, a feature network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from ..errors import check_kind, shown, unknown_name


@contextmanager
def taps(module: nn.Module, names: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """Inside, every pass through `module` leaves the outputs of its layers `names` in the dictionary given.

    A name is one of `module.named_modules()`, such as "net.4"; "" is the module itself. The outputs carry
    gradients, and are copies, so that an in-place activation behind a layer does not change them. A layer that
    is used twice in a pass leaves its last output. The hooks are gone when the block ends, however it ends.
    """
    check_kind("module", module, nn.Module, "a torch module")
    if isinstance(names, str):
        raise ValueError(f"names is {shown(names)}; a list of names is right, [{shown(names)}] for one")
    check_kind("names", names, Sequence, "a list of names")
    known = dict(module.named_modules())
    for name in names:
        if not isinstance(name, str) or name not in known:
            raise unknown_name(f"layer of {type(module).__name__}", name, filter(None, known))
    found: dict[str, Tensor] = {}

    def keep(name: str, output: Any) -> None:
        if not isinstance(output, Tensor):
            raise ValueError(
                f"the layer {name!r} gives a {type(output).__name__}; only a tensor can be tapped"
            )
        found[name] = output.clone()

    hooks = [
        known[name].register_forward_hook(lambda _module, _inputs, output, name=name: keep(name, output))
        for name in names
    ]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


def tapped(module: nn.Module, images: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
    """The outputs of the layers `names` as `images` (any input of `module`) pass: name -> tensor, in that order.

    The module runs as it is, in train or eval mode (see `device.evaluating`), and gradients flow unless they are off.
    """
    with taps(module, names) as found:
        module(images)
    for name in names:
        if name not in found:
            raise ValueError(f"the layer {name!r} of {type(module).__name__} was not used in the pass")
    return {name: found[name] for name in names}
