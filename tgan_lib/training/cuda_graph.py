"""A whole training step as one CUDA graph: recorded once, then replayed with a single launch.

At 28 to 64 px a large GPU waits for Python to launch its kernels. A graph is launched whole. What it records are
addresses, so the step's inputs are copied into tensors that stay where they are, and its random numbers come from
a generator that the graph knows. The first steps run plainly, as they must (optimisers make their state, libraries
choose their algorithms); they are steps of the run like any other.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

WARM_UP = 3  # plain steps before a recording

Update = Callable[[Tensor, Tensor, bool], Tensor]


class Capture:
    """Calls `update(indices, z, with_penalty)` through a graph for each value of `with_penalty`.

    RuntimeError without a CUDA device. Whatever the step reads or writes must stay at its address from the
    recording on: load a checkpoint before the first call, not after.
    """

    def __init__(self, update: Update, noise: torch.Generator) -> None:
        if not torch.cuda.is_available():
            raise RuntimeError("capture=True records CUDA graphs and there is no CUDA device; leave it out")
        self.update, self.noise = update, noise
        self.calls = {True: 0, False: 0}
        self.graphs: dict[bool, torch.cuda.CUDAGraph] = {}
        self.outputs: dict[bool, Tensor] = {}
        self.inputs: tuple[Tensor, Tensor] | None = None
        self.stream = torch.cuda.Stream()

    def __call__(self, indices: Tensor, z: Tensor, with_penalty: bool) -> Tensor:
        if self.calls[with_penalty] < WARM_UP:
            self.calls[with_penalty] += 1
            self.stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self.stream):  # a recording may not follow work on the default stream
                scalars = self.update(indices, z, with_penalty)
            torch.cuda.current_stream().wait_stream(self.stream)
            return scalars
        if self.inputs is None:
            self.inputs = (indices.clone(), z.clone())
        for kept, new in zip(self.inputs, (indices, z), strict=True):
            kept.copy_(new)
        if with_penalty not in self.graphs:
            self.record(with_penalty)
        self.graphs[with_penalty].replay()
        return self.outputs[with_penalty].clone()  # the next replay writes over it

    def record(self, with_penalty: bool) -> None:
        """Record the step on the kept inputs. Nothing is computed by this."""
        assert self.inputs is not None
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self.noise)
        with torch.cuda.graph(graph, stream=self.stream):
            self.outputs[with_penalty] = self.update(*self.inputs, with_penalty)
        self.graphs[with_penalty] = graph
