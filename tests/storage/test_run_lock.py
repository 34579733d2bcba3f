"""The lock of a run directory: one run at a time."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ddpm_core.storage.run_lock import RunLocked, run_lock

HOLD = """
import sys, time
from pathlib import Path
from ddpm_core.storage.run_lock import run_lock
with run_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_lock_names_its_process_until_that_process_ends(tmp_path):
    root = str(Path(__file__).parents[2])
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        try:
            with pytest.raises(RunLocked) as refusal, run_lock(tmp_path):
                pass
        finally:
            holder.kill()
    for part in (str(tmp_path), f"process {holder.pid} on ", " since 20", "another --out-dir"):
        assert part in str(refusal.value)
    # The operating system released the lock, and the leftover .lock.json does not block it.
    with run_lock(tmp_path) as left:
        assert left is not None
        assert left.startswith(f"process {holder.pid} on ")
        assert json.loads((tmp_path / ".lock.json").read_text())["pid"] == os.getpid()


def test_process_cannot_lock_twice_but_can_lock_again_after_unlocking(tmp_path):
    folder = tmp_path / "run"
    with run_lock(folder) as left:
        assert left is None
        for _ in range(2):
            with pytest.raises(RunLocked, match=f"process {os.getpid()} on"), run_lock(folder):
                pass
    with run_lock(folder):
        pass
    assert not (folder / ".lock.json").exists()
