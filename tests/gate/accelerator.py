"""A simulated accelerator, for the tests of the gate."""

from types import SimpleNamespace

import pytest
import torch


def simulate(patch: pytest.MonkeyPatch, kind: torch.device | None, count: int) -> None:
    """Let torch report `count` devices of this kind, and no other accelerator."""
    module = SimpleNamespace(device_count=lambda: count)
    patch.setattr(torch, "get_device_module", lambda device: module)
    patch.setattr(torch.accelerator, "current_accelerator", lambda check_available: kind)
