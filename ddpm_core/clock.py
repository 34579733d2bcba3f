"""Timesteps: t = 0 is data, t = 1..T are noisy, and a transition is a pair s < t."""

import torch
from jaxtyping import Float64, Int
from torch import Tensor

Time = int | Int[Tensor, " batch"]
"""A timestep: one Python int for the whole batch, or an int64 tensor with one per sample."""


def check_time(
    name: str, t: Time, lowest: int, highest: int, T: int, x: Tensor | None = None
) -> None:
    """Refuse a timestep that is not an int, or an int64 (batch,) tensor, within lowest..highest.

    With `x`, a tensor must have x's batch size. Values on a GPU are checked by a device-side
    assertion, because reading them here would wait for the device; on other accelerators they are
    not checked.
    """
    if isinstance(t, Tensor):
        if t.dtype != torch.int64 or t.ndim != 1:
            raise TypeError(
                f"{name} has dtype {t.dtype} and shape {tuple(t.shape)}; a timestep is one int, or "
                "an int64 tensor of shape (batch,)"
            )
        if x is not None and t.shape[0] != x.shape[0]:
            raise ValueError(
                f"{name} has {t.shape[0]} entries but the batch has {x.shape[0]} samples; pass one "
                "timestep per sample, or one int for all"
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
            f"{name} = {t!r} is a {type(t).__name__}; a timestep is one int, or an int64 tensor "
            "of shape (batch,)"
        )
    raise ValueError(
        f"{where} = {value} is outside {lowest}..{highest}; t = 0 is data and t = 1..{T} are the "
        "noisy timesteps"
    )


def check_pair(s: Time, t: Time, T: int, x: Tensor | None = None) -> None:
    """Refuse a pair of timesteps unless 0 <= s < t <= T for every sample."""
    check_time("t", t, 1, T, T, x)
    check_time("s", s, 0, T - 1, T, x)
    if isinstance(s, int) and isinstance(t, int) and s < t:
        return
    early, late = (
        each if isinstance(each, Tensor) else torch.tensor(each, device="cpu") for each in (s, t)
    )
    if early.device.type != "cpu" or late.device.type != "cpu":
        return
    if early.ndim == late.ndim and early.shape != late.shape:
        raise ValueError(
            f"s has {early.shape[0]} entries and t has {late.shape[0]}; pass one of each per sample"
        )
    early, late = torch.broadcast_tensors(torch.atleast_1d(early), torch.atleast_1d(late))
    if not (early < late).all():
        i = int((early >= late).nonzero()[0])
        raise ValueError(
            f"s = {int(early[i])}, t = {int(late[i])} (sample {i}): a transition needs s < t, "
            "because q(x_t | x_s) only adds noise"
        )


def gather(table: Float64[Tensor, " timesteps"], t: Time) -> Float64[Tensor, "*batch"]:
    """Return table[t] in float64, on t's device. Eq. schedules.log-alpha-bar is such a table.

    On MPS, which has no float64, t is first copied to the CPU, which waits for the device. Pass
    ints, or t on the CPU, to avoid the wait.
    """
    if isinstance(t, int):
        return table[t]
    if t.device.type == "mps":
        t = t.cpu()
    return table.to(t.device, non_blocking=True)[t]
