"""The clock: t = 0 is data, t = 1..T are noise levels, a transition is a pair s < t."""

import torch
from jaxtyping import Float64, Int
from torch import Tensor

Time = int | Int[Tensor, " batch"]
"""A noise level: one Python int for the whole batch, or an int64 tensor with one per sample."""


def check_time(
    name: str, t: Time, lowest: int, highest: int, T: int, x: Tensor | None = None
) -> None:
    """Refuse a time that is not an int, or an int64 (batch,) tensor, within lowest..highest.

    With `x` a tensor must have x's batch size. Values that live on an accelerator are left to a
    device-side assertion, since reading them here would wait for the device.
    """
    if isinstance(t, Tensor):
        if t.dtype != torch.int64 or t.ndim != 1:
            raise TypeError(
                f"{name} has dtype {t.dtype} and shape {tuple(t.shape)}; a time is one int, or an "
                "int64 tensor of shape (batch,)"
            )
        if x is not None and t.shape[0] != x.shape[0]:
            raise ValueError(
                f"{name} has {t.shape[0]} entries but the batch has {x.shape[0]} samples; pass one "
                "time per sample, or one int for all"
            )
        if t.device.type == "cuda":
            torch._assert_async(((t >= lowest) & (t <= highest)).all())
        if t.device.type != "cpu" or len(t) == 0:
            return
        least, most = t.aminmax()
        if lowest <= least.item() and most.item() <= highest:
            return
        i = int(((t < lowest) | (t > highest)).nonzero()[0])
        where, value = f"{name}[{i}]", int(t[i])
    elif isinstance(t, int) and not isinstance(t, bool):
        if lowest <= t <= highest:
            return
        where, value = name, t
    else:
        raise TypeError(
            f"{name} = {t!r} is a {type(t).__name__}; a time is one int, or an int64 tensor of "
            "shape (batch,)"
        )
    raise ValueError(
        f"{where} = {value} is outside {lowest}..{highest}; on this clock t = 0 is data and "
        f"t = 1..{T} are noise levels"
    )


def check_pair(s: Time, t: Time, T: int, x: Tensor | None = None) -> None:
    """Refuse a pair of times unless 0 <= s < t <= T, sample by sample."""
    check_time("t", t, 1, T, T, x)
    check_time("s", s, 0, T - 1, T, x)
    if isinstance(s, int) and isinstance(t, int) and s < t:
        return
    early, late = torch.as_tensor(s), torch.as_tensor(t)
    if early.device.type != "cpu" or late.device.type != "cpu":
        return
    if early.ndim == late.ndim and early.shape != late.shape:
        raise ValueError(f"s has {early.shape[0]} entries and t has {late.shape[0]}; pair them up")
    early, late = torch.broadcast_tensors(torch.atleast_1d(early), torch.atleast_1d(late))
    if not (early < late).all():
        i = int((early >= late).nonzero()[0])
        raise ValueError(
            f"s = {int(early[i])}, t = {int(late[i])} (sample {i}): a transition needs s < t, "
            "since q(x_t | x_s) only adds noise"
        )


def gather(table: Float64[Tensor, " levels"], t: Time) -> Float64[Tensor, "*batch"]:
    """table[t] in float64, where t lives.

    A device without float64 (MPS) is read back to the CPU first, which waits for it: pass ints, or
    t on the CPU, to avoid that.
    """
    if isinstance(t, int):
        return table[t]
    if t.device.type == "mps":
        t = t.cpu()
    return table.to(t.device, non_blocking=True)[t]
