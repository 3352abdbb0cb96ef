"""Several processes that train one GAN: each takes its share of every batch, and gradients are averaged.

Nothing here starts a process. Lightning Fabric (an extra: pip install "tgan-lib[distributed]") or torchrun does,
and `train` notices that torch.distributed is up:

    fabric = lightning_fabric.Fabric(accelerator="cpu", devices=2)
    fabric.launch()                       # or run the script under torchrun
    train(GAN.build(device=fabric.device), load("mnist", device=fabric.device), batch_size=128)

`batch_size` is that of all processes together. Every process draws the same indices and the same latents and takes
its own part, so that N processes compute what one would: losses and penalties are means over the batch, and the
mean of the parts' gradients is the gradient of the whole. Gradients are averaged in one call after each backward
pass instead of by a wrapper around the network, since a wrapper's hooks expect one forward pass for each backward
and D has two, or three with a penalty. Batch norm is the exception to "means over the batch": its statistics are
averaged over processes inside the network, by operations that can be differentiated twice.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from .errors import whole_number


class World:
    """The processes that train together: this one's `rank` and their number, `size` (1 without a launcher)."""

    def __init__(self) -> None:
        together = dist.is_available() and dist.is_initialized()
        self.rank: int = dist.get_rank() if together else 0
        self.size: int = dist.get_world_size() if together else 1
        nccl = together and dist.get_backend() == "nccl"  # which carries nothing but what is on a GPU
        self.device = torch.device("cuda", torch.cuda.current_device()) if nccl else torch.device("cpu")

    def say(self, sentence: str) -> None:
        """Print, in the first process only."""
        if self.rank == 0:
            print(sentence)

    def refuse_batch(self, batch_size: int) -> None:
        """ValueError for a batch that cannot be shared out evenly."""
        if whole_number("batch_size", batch_size) % self.size:
            raise ValueError(
                f"batch_size is {batch_size} for {self.size} processes together; a multiple of {self.size} is right"
            )

    def share(self, tensor: Tensor, dim: int = 0) -> Tensor:
        """This process's part of `tensor` along `dim`, whose length is a multiple of `size`."""
        return tensor if self.size == 1 else tensor.chunk(self.size, dim)[self.rank]

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor, in place, by its mean over processes."""
        if self.size == 1 or not tensors:
            return
        flat = torch.cat([t.reshape(-1) for t in tensors]).to(self.device)
        dist.all_reduce(flat)
        for tensor, mean in zip(tensors, (flat / self.size).split([t.numel() for t in tensors]), strict=True):
            tensor.copy_(mean.view_as(tensor))

    def average_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Average the gradients that a backward pass left on `parameters`."""
        if self.size > 1:
            self.average([p.grad for p in parameters if p.grad is not None])

    def gather(self, tensor: Tensor) -> Tensor:
        """The processes' tensors of one shape, put end to end in the order of ranks."""
        return tensor if self.size == 1 else torch.cat(self.gather_list(tensor))

    def gather_list(self, tensor: Tensor) -> list[Tensor]:
        """The processes' tensors of one shape, in the order of ranks."""
        if self.size == 1:
            return [tensor]
        sent = tensor.to(self.device).contiguous()
        parts = [torch.empty_like(sent) for _ in range(self.size)]
        dist.all_gather(parts, sent)
        return [part.to(tensor.device) for part in parts]

    def any(self, flag: bool) -> bool:
        """Whether any process says so: what one decides by its clock or its user, all must decide."""
        if self.size == 1:
            return flag
        said = torch.tensor(float(flag), device=self.device)
        dist.all_reduce(said)
        return bool(said.item() > 0)

    def share_batch_norm(self, *networks: nn.Module) -> None:
        """From now on the batch norms of `networks` normalise by the whole batch, not by this process's part."""
        if self.size == 1:
            return
        for network in networks:
            for module in network.modules():
                if isinstance(module, _BatchNorm) and not isinstance(module, SharedBatchNorm):
                    module.__class__ = SharedBatchNorm  # the same parameters and buffers, another forward


class SharedBatchNorm(_BatchNorm):
    """Batch norm over the batch of all processes, for (N, C) and (N, C, H, W).

    torch.nn.SyncBatchNorm does this on GPUs only, and its backward pass cannot be differentiated again, as R1 must.
    """

    def _check_input_dim(self, input: Tensor) -> None:  # any number of dimensions will do
        return

    def forward(self, input: Tensor) -> Tensor:
        if not self.training or not dist.is_initialized():
            return super().forward(input)
        from torch.distributed.nn.functional import all_reduce

        x = input.float()
        dims = [d for d in range(x.ndim) if d != 1]
        size = dist.get_world_size()
        mean = all_reduce(x.mean(dims)) / size
        centred = x - mean.view(1, -1, *[1] * (x.ndim - 2))
        variance = all_reduce(centred.square().mean(dims)) / size
        if self.track_running_stats and self.running_mean is not None and self.running_var is not None:
            n = size * x.numel() / x.shape[1]
            with torch.no_grad():
                self.num_batches_tracked.add_(1)  # type: ignore[union-attr]
                share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum  # type: ignore[arg-type]
                self.running_mean.lerp_(mean, share)
                self.running_var.lerp_(variance * n / (n - 1), share)
        shape = (1, -1, *[1] * (x.ndim - 2))
        out = centred * (variance + self.eps).rsqrt().view(shape)
        if self.affine:
            out = out * self.weight.view(shape) + self.bias.view(shape)
        return out.to(input.dtype)
