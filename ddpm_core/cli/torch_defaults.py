"""PyTorch's default device and dtype, which a notebook may have changed."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext


@contextmanager
def usual_defaults() -> Iterator[None]:
    """Create tensors on the CPU and in float32 inside the context, as PyTorch itself does.

    A command has --device and --dtype for anything else.
    """
    import torch

    dtype = torch.get_default_dtype()
    is_usual = torch.get_default_device().type == "cpu"
    torch.set_default_dtype(torch.float32)
    try:
        with nullcontext() if is_usual else torch.device("cpu"):
            yield
    finally:
        torch.set_default_dtype(dtype)
