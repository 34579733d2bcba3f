"""Save and restore the state of an optimizer by parameter name.

`torch.distributed.checkpoint.state_dict` has functions for this, but with torch 2.13 they load
contiguous moments for a parameter in channels_last, and the fused AdamW then pairs the wrong
elements without an error. They also load misspelt names, and they store every hyperparameter.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer


def flatten_optimizer(optimizer: Optimizer, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the optimizer's state with keys "<parameter>/<entry>", without copying the tensors.

    `parameters` is dict(network.named_parameters()); the order of the optimizer's groups does not
    matter. Raises ValueError for a parameter without a name, and for a trained parameter that has
    no state although others have one.
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
    """Copy the state that `flatten_optimizer` returned into `optimizer`, bit by bit.

    Raises ValueError with the names that are missing or unexpected; the state is then unchanged.
    """
    _check_names(tensors, optimizer, parameters)
    optimizer.state.clear()
    held = {name: (each, group) for name, each, group in _named(optimizer, parameters)}
    for key, value in tensors.items():
        name, _, entry = key.rpartition("/")
        parameter, group = held[name]
        # "step" stays on the CPU, except when a kernel on the device reads it.
        on_device = entry != "step" or group.get("fused") or group.get("capturable")
        device = parameter.device if on_device else torch.device("cpu")
        # Use the parameter's memory format, because a fused kernel pairs elements by address.
        like = parameter.detach() if value.shape == parameter.shape else value
        copy = torch.empty_like(like, dtype=value.dtype, device=device).copy_(value)
        optimizer.state[parameter][entry] = copy


def _named(
    optimizer: Optimizer, parameters: Mapping[str, Tensor]
) -> Iterator[tuple[str, Tensor, dict[str, Any]]]:
    """Yield (name, parameter, group) of every parameter of `optimizer`."""
    names = {parameter: name for name, parameter in parameters.items()}
    for i, group in enumerate(optimizer.param_groups):
        for j, parameter in enumerate(group["params"]):
            if parameter not in names:
                raise ValueError(
                    f"param_groups[{i}]['params'][{j}], of shape {tuple(parameter.shape)}, has no "
                    "name. Pass dict(network.named_parameters()) of the trained network"
                )
            yield names[parameter], parameter, group


def _check_names(
    tensors: Mapping[str, Tensor],
    optimizer: Optimizer,
    parameters: Mapping[str, Tensor],
) -> None:
    """Check that every trained parameter has the same entries; before the first step, none."""
    entries = {key.rpartition("/")[2] for key in tensors}
    trained = {name: each.requires_grad for name, each, _ in _named(optimizer, parameters)}
    missing = {f"{name}/{e}" for name, needed in trained.items() if needed for e in entries}
    missing -= tensors.keys()
    unexpected = tensors.keys() - {f"{name}/{entry}" for name in trained for entry in entries}
    if missing or unexpected:
        raise ValueError(
            f"the optimizer's state does not fit the network: missing {sorted(missing) or 'none'}, "
            f"unexpected {sorted(unexpected) or 'none'}. Use the network and optimizer that made "
            "it; a parameter that never has a gradient must be frozen"
        )
