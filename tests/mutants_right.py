"""Mutants that pass because they are right: exercise -> {what was done: why it changes nothing that is asked}."""

from __future__ import annotations

RIGHT: dict[str, dict[str, str]] = {
    "copy_what_fits": {
        "for name, tensor in source.items(): -> over [::-1]": "a state dict is read by its names",
        "result[name] = tensor -> (.detach())": "no gradient is asked",
    },
    "adam_step": {
        "m = 0.5 * m + 0.5 * gradient -> (.detach())": "no gradient is asked",
        "v = 0.9 * v + 0.1 * gradient ** 2 -> (.detach())": "no gradient is asked",
        "m_hat = m / (1 - 0.5 ** t) -> (.detach())": "no gradient is asked",
        "v_hat = v / (1 - 0.9 ** t) -> (.detach())": "no gradient is asked",
        "return m_hat / (v_hat.sqrt() + 1e-08) -> (.detach())": "no gradient is asked",
        "v = 0.9 * v + 0.1 * gradient ** 2 -> (.abs())": "it is never negative",
        "v = 0.9 * v + 0.1 * gradient ** 2 -> (.clamp(min=0))": "it is never negative",
        "v_hat = v / (1 - 0.9 ** t) -> (.abs())": "it is never negative",
        "v_hat = v / (1 - 0.9 ** t) -> (.clamp(min=0))": "it is never negative",
    },
    "blend_states": {
        "for name, tensor in source.items(): -> over [::-1]": "a state dict is read by its names",
        "result[name] = torch.lerp(tensor, target[name], t) -> (.detach())": "no gradient is asked",
        "result[name] = tensor if t < 0.5 else target[name] -> (.detach())": "no gradient is asked",
        "t < 0.5 -> LtE": "half way neither is nearer",
    },
    "middle_square": {
        "min(height, width) -> arguments 0 and 1 exchanged": "the smaller of two has no order",
        "return image[:, top:top + side, left:left + side] -> (.detach())": "no gradient is asked",
    },
    "to_bytes": {
        "return ((x + 1) * 127.5).round().clamp(0, 255).to(torch.uint8) -> (.detach())": "no gradient is asked",
        "return ((x + 1) * 127.5).round().clamp(0, 255).to(torch.uint8) -> (.abs())": "it is never negative",
        "return ((x + 1) * 127.5).round().clamp(0, 255).to(torch.uint8) -> (.clamp(min=0))": "it is never negative",
    },
    "log_gain": {
        "return torch.log2(scratch / transferred).mean() -> (.detach())": "no gradient is asked",
        "return torch.log2(scratch / transferred).mean() -> (.flip(0))": "it is one number",
        "return torch.log2(scratch / transferred).mean() -> as a float": "a float will do",
    },
    "rank_correlation": {
        "below = (values[:, None] > values).sum(1) -> (.detach())": "no gradient is asked",
        "below = (values[:, None] > values).sum(1) -> (.abs())": "it is never negative",
        "below = (values[:, None] > values).sum(1) -> (.clamp(min=0))": "it is never negative",
        "equal = (values[:, None] == values).sum(1) -> (.detach())": "no gradient is asked",
        "equal = (values[:, None] == values).sum(1) -> (.abs())": "it is never negative",
        "equal = (values[:, None] == values).sum(1) -> (.clamp(min=0))": "it is never negative",
        "return below + (equal + 1) / 2 -> (.detach())": "no gradient is asked",
        "return below + (equal + 1) / 2 -> (.abs())": "it is never negative",
        "return below + (equal + 1) / 2 -> (.clamp(min=0))": "it is never negative",
        "return below + (equal + 1) / 2 -> (.flip(0))": "both lists are turned round together",
        "return below + (equal + 1) / 2 -> (* 0.99)": "scale, start and sense of both are free",
        "return below + (equal + 1) / 2 -> negated": "scale, start and sense of both are free",
        "1 -> 0": "this turns both rankings, or starts both at 0",
        "equal + 1 -> Sub": "scale, start and sense of both are free",
        "equal + 1 -> left alone": "scale, start and sense of both are free",
        "1 -> 2": "scale, start and sense of both are free",
        "return torch.corrcoef(torch.stack([ranks(x), ranks(y)]))[0, 1] -> (.detach())": "no gradient is asked",
        "return torch.corrcoef(torch.stack([ranks(x), ranks(y)]))[0, 1] -> (.flip(0))": "it is one number",
        "return torch.corrcoef(torch.stack([ranks(x), ranks(y)]))[0, 1] -> as a float": "a float will do",
        "x and y exchanged": "the correlation of y and x is the same",
    },
    "frozen_features": {
        "then network.requires_grad_()": "the features are made: awake again is as it was",
        "then images.requires_grad_()": "the images want gradients already",
        "then network.train(not network.training)": "the features are made: train mode again is as it was",
    },
    "flattery": {
        "return math.log(lead_by_own / lead_by_other) -> as a float": "it is a float",
        "b_by_own and a_by_other exchanged": "the product of both stands on top",
    },
}
