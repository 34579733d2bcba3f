"""What tests do to code that writes: the power goes, the disk is full; and what they write."""

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from ddpm_core.storage.checkpoint import latest_checkpoint, load_checkpoint, save_checkpoint


def needs_fork(test: Callable[..., None]) -> Callable[..., None]:
    """Skip `test` where processes cannot fork; ours has no threads that a fork could catch."""
    quiet = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
    return quiet(pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")(test))


class PowerCut(BaseException):
    """The machine stops: nothing after this call takes place, clean-up included."""


def cut_at(
    call: int, monkeypatch: pytest.MonkeyPatch, act: Callable[[], object], *, fail: bool = False
) -> bool:
    """Whether `act` ended before its system call number `call`, counted from 0.

    At that call the power goes; or, with `fail`, that one call fails and the rest go on.
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
    """What `act` returns in a process whose files cannot grow beyond `size` bytes."""
    import resource  # which Windows has not

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
    """Save a checkpoint all of whose tensors and state hold `value`, by default the step."""
    value = step if value is None else value
    tensors = {group: {"w": torch.full((size,), value)} for group in ("model", "ema")}
    return save_checkpoint(folder, step, tensors, {"value": value}, keep)


def newest_value(folder: Path) -> int:
    """The value of the newest checkpoint, which must be one and the same in all its parts."""
    path = latest_checkpoint(folder)
    assert path is not None
    checkpoint = load_checkpoint(path)
    value: int = checkpoint.state["value"]
    assert checkpoint.tensors.keys() == {"model", "ema"}
    assert all((group["w"] == value).all() for group in checkpoint.tensors.values())
    return value
