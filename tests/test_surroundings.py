"""Results do not depend on a default device or dtype that somebody else has set."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

from property_tests.adapters.ddpm_core import DdpmCore
from property_tests.calls import CALLS, inputs
from property_tests.calls.call import same

# Networks are made where and as the user wants; the adapter makes its own in the others.
OF_THE_USER = (
    "network",
    "gradients",
    "ema",
    "ema_of",
    "trained_weights",
    "output_dtype_and_device",
)
OF_THE_USER += ("denoised_in", "to_unit_range", "global_state")
METHODS = [each for each in CALLS if each not in OF_THE_USER]


@contextmanager
def defaults(device: str, dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_device(device)
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_device(None)
        torch.set_default_dtype(before)


@pytest.mark.parametrize("method", METHODS)
def test_defaults_of_torch_change_no_result(method):
    """'meta' stands for an accelerator: a tensor that is made there has no numbers."""
    want = CALLS[method](DdpmCore(), inputs())
    with defaults("meta", torch.float64):
        got = CALLS[method](DdpmCore(), inputs())
    same(got, want, method)
