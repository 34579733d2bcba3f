"""The optimizer's state by parameter name, so that a checkpoint can hold it and give it back."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer


def flatten_optimizer(optimizer: Optimizer, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The optimizer's state as "<parameter>/<entry>"; `parameters` is dict(named_parameters()).

    The order of the optimizer's groups does not matter, and nothing is copied. Raises ValueError
    for a parameter without a name, or without state where others have some.
    """
    flat = {
        f"{name}/{entry}": value
        for name, parameter, _ in _named(optimizer, parameters)
        for entry, value in optimizer.state.get(parameter, {}).items()
    }
    for key, value in flat.items():
        if not isinstance(value, Tensor):
            raise TypeError(f"{key} is {value!r}; only optimizers whose state is tensors are saved")
    _check_names(flat, optimizer, parameters)
    return flat


def restore_optimizer(
    optimizer: Optimizer,
    parameters: Mapping[str, Tensor],
    tensors: Mapping[str, Tensor],
) -> None:
    """Give `optimizer` a copy of the state that `flatten_optimizer` found, bit by bit.

    Raises ValueError that lists the names that are missing and those that are unexpected.
    """
    _check_names(tensors, optimizer, parameters)
    optimizer.state.clear()
    holders = {name: (each, group) for name, each, group in _named(optimizer, parameters)}
    for key, value in tensors.items():
        name, _, entry = key.rpartition("/")
        parameter, group = holders[name]
        # "step" is read by the host, unless a kernel on the device reads it.
        there = entry != "step" or group.get("fused") or group.get("capturable")
        device = parameter.device if there else torch.device("cpu")
        # Laid out as the parameter is, since a fused kernel walks both by address.
        like = parameter.detach() if value.shape == parameter.shape else value
        mine = torch.empty_like(like, dtype=value.dtype, device=device).copy_(value)
        optimizer.state[parameter][entry] = mine


def _named(
    optimizer: Optimizer, parameters: Mapping[str, Tensor]
) -> Iterator[tuple[str, Tensor, dict[str, Any]]]:
    """(name, parameter, group) for all that `optimizer` holds."""
    names = {parameter: name for name, parameter in parameters.items()}
    for i, group in enumerate(optimizer.param_groups):
        for j, parameter in enumerate(group["params"]):
            if parameter not in names:
                raise ValueError(
                    f"param_groups[{i}]['params'][{j}], of shape {tuple(parameter.shape)}, has no "
                    "name; pass dict(network.named_parameters()) of the network that is trained"
                )
            yield names[parameter], parameter, group


def _check_names(
    tensors: Mapping[str, Tensor],
    optimizer: Optimizer,
    parameters: Mapping[str, Tensor],
) -> None:
    """All parameters that are trained have the same entries, or, before the first step, none."""
    entries = {key.rpartition("/")[2] for key in tensors}
    held = {name: each.requires_grad for name, each, _ in _named(optimizer, parameters)}
    missing = {f"{name}/{e}" for name, trained in held.items() if trained for e in entries}
    missing -= tensors.keys()
    unexpected = tensors.keys() - {f"{name}/{entry}" for name in held for entry in entries}
    if missing or unexpected:
        raise ValueError(
            f"the optimizer's state does not fit the network: missing {sorted(missing) or 'none'}, "
            f"unexpected {sorted(unexpected) or 'none'}. Use the network and optimizer that made "
            "it; a parameter that never has a gradient must be frozen"
        )
