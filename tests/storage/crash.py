"""Simulated power cuts and full disks, and the small checkpoints that the tests write."""

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from ddpm_core.storage.checkpoint import latest_checkpoint, load_checkpoint, save_checkpoint


def needs_fork(test: Callable[..., None]) -> Callable[..., None]:
    """Skip `test` where processes cannot fork. Ours has no threads that a fork breaks."""
    quiet = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
    return quiet(pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")(test))


class PowerCut(BaseException):
    """A simulated power cut: no later system call takes effect, clean-up included."""


def cut_at(
    call: int, monkeypatch: pytest.MonkeyPatch, act: Callable[[], object], *, fail: bool = False
) -> bool:
    """Run `act`, interrupt it at system call number `call` (from 0); return whether it completed.

    The interruption is a power cut; with `fail`, only that one call fails and the rest continue.
    """
    count = 0

    def counted(real: Callable[..., object]) -> Callable[..., object]:
        def do(*args: object, **kwargs: object) -> object:
            nonlocal count
            count += 1
            if count == call + 1 and fail:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            if count > call and not fail:
                raise PowerCut
            return real(*args, **kwargs)

        return do

    with monkeypatch.context() as patch:
        for name in ("rename", "replace", "unlink", "rmdir", "mkdir", "fsync"):
            patch.setattr(os, name, counted(getattr(os, name)))
        with suppress(OSError if fail else PowerCut):
            act()
    return count <= call


def limited(size: int, act: Callable[[], bool]) -> bool:
    """Run `act` in a process whose files cannot exceed `size` bytes; return its result."""
    import resource  # not available on Windows

    pid = os.fork()
    if pid == 0:
        good = False
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
            good = act()
        finally:
            os._exit(0 if good else 1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def put(folder: Path, step: int, value: int | None = None, keep: int = 2, size: int = 2) -> Path:
    """Save a checkpoint with `value` (default: the step) in every tensor and in the state."""
    value = step if value is None else value
    tensors = {group: {"w": torch.full((size,), value)} for group in ("model", "ema")}
    return save_checkpoint(folder, step, tensors, {"value": value}, keep)


def newest_value(folder: Path) -> int:
    """Return the value of the newest checkpoint; fail unless all its files agree on it."""
    path = latest_checkpoint(folder)
    assert path is not None
    checkpoint = load_checkpoint(path)
    value: int = checkpoint.state["value"]
    assert checkpoint.tensors.keys() == {"model", "ema"}
    assert all((group["w"] == value).all() for group in checkpoint.tensors.values())
    return value
