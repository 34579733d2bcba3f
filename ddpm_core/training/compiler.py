"""Find out whether torch.compile works, before a run depends on it."""

import torch
from torch import Tensor

from ddpm_core.cli.failures import one_line


def check_compiler(device: torch.device) -> None:
    """Compile a small function, without the cache of earlier ones.

    Raises ValueError, with the cause, if torch.compile does not work on this device.
    """
    try:
        torch.compile(_small, options={"fx_graph_cache": False})(torch.ones(8, device=device))
    except Exception as error:  # the compiler's own types differ between its backends
        raise ValueError(
            f"--compile does not work on {device} here: {one_line(error)}. Install a C++ compiler "
            "such as g++, whose path may be in CXX, or omit --compile"
        ) from None


def _small(x: Tensor) -> Tensor:
    return (x + 1).sin()
