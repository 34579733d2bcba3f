"""After a power cut, a kill or a full disk, a complete checkpoint always loads."""

import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.storage.crash import cut_at, limited, needs_fork, newest_value, put


@pytest.mark.parametrize(("step", "fail"), [(500, False), (600, False), (500, True)])
def test_interrupted_or_failed_save_leaves_a_loadable_checkpoint(tmp_path, monkeypatch, step, fail):
    """At each system call of a save that replaces the only checkpoint, or adds another."""
    seen = []
    put(tmp_path / "before", 500, value=1, keep=1)
    for call in range(100):
        folder = tmp_path / str(call)
        shutil.copytree(tmp_path / "before", folder)
        done = cut_at(
            call, monkeypatch, lambda at=folder: put(at, step, value=2, keep=1), fail=fail
        )
        seen.append(newest_value(folder))
        if done:
            break
        if call % 8 == 0:
            put(folder, 700, value=3, keep=1)
            assert newest_value(folder) == 3
            assert set(os.listdir(folder)) == {"step-000700", "LATEST.json"}
    assert done
    assert fail or seen == sorted(seen)  # some failures do not matter
    assert {*seen} == {1, 2}


def test_files_are_synced_before_the_rename_and_the_rename_before_latest(tmp_path, monkeypatch):
    events: list[object] = []
    real = {name: getattr(os, name) for name in ("rename", "replace", "fsync")}

    def recorded(name: str, what: Callable[..., object]) -> Callable[..., object]:
        def do(*args: object) -> object:
            result = real[name](*args)
            events.append(what(*args))
            return result

        return do

    monkeypatch.setattr(os, "fsync", recorded("fsync", lambda handle: os.fstat(handle).st_ino))
    monkeypatch.setattr(os, "rename", recorded("rename", lambda a, b: Path(b).name))
    monkeypatch.setattr(os, "replace", recorded("replace", lambda a, b: Path(b).name))
    path = put(tmp_path, 5)
    named, latest = events.index("step-000005"), events.index("LATEST.json")
    assert {each.stat().st_ino for each in (path, *path.iterdir())} == {*events[:named]}
    assert tmp_path.stat().st_ino in events[named:latest]
    assert (tmp_path / "LATEST.json").stat().st_ino in events[named:latest]
    assert events[-1] == tmp_path.stat().st_ino


def save_forever(folder: Path, value: int, pipe: int) -> None:
    while True:  # each step twice: half of the saves replace a checkpoint
        put(folder, value // 2, value, keep=1, size=20_000)
        os.write(pipe, value.to_bytes(4, "big"))
        value += 1


@needs_fork
def test_sigkill_at_any_moment_loses_no_completed_save(tmp_path):
    rng, value = random.Random(0), 0
    put(tmp_path, 0, value)
    for _ in range(12):
        out, into = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                save_forever(tmp_path, value + 1, into)
            finally:
                os._exit(1)
        os.close(into)
        time.sleep(rng.uniform(0.01, 0.15))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        with open(out, "rb") as pipe:
            finished = [value, *memoryview(pipe.read()).cast("B")[3::4]]
        last = value + len(finished) - 1
        value = newest_value(tmp_path)
        assert value in (last, last + 1), f"saved {last}, loaded {value}"


@needs_fork
def test_full_disk_error_names_the_file_and_the_previous_checkpoint_loads(tmp_path):
    rng = random.Random(0)
    put(tmp_path, 1)

    def child() -> bool:
        try:
            put(tmp_path, 2, size=20_000)
        except OSError as error:
            return f"(saving step 2; earlier checkpoints are intact): '{tmp_path}" in str(error)
        return False

    for _ in range(10):
        assert limited(rng.choice([1, 100, rng.randrange(160_000)]), child)
        assert newest_value(tmp_path) == 1
        assert set(os.listdir(tmp_path)) == {"step-000001", "LATEST.json"}
