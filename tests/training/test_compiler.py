"""A missing compiler is found at the start of a run with --compile."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ddpm_core.training.compiler import check_compiler
from tests.training.miniature_runs import refused, train

ROOT = Path(__file__).resolve().parents[2]


def compiles(**environment: str) -> subprocess.CompletedProcess[str]:
    """Run a dry run with --compile in a process of its own."""
    command = [sys.executable, "-m", "ddpm_core.train", "--compile", "--dry-run", "--device", "cpu"]
    known = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=known, check=False)


def test_compiler_is_there_and_a_missing_one_is_refused_in_spite_of_the_cache(tmp_path):
    cache = {"TORCHINDUCTOR_CACHE_DIR": str(tmp_path)}
    assert compiles(**cache).returncode == 0
    done = compiles(**cache, CXX="/nowhere/g++")
    assert done.returncode == 2
    assert done.stderr.startswith("ddpm_core.train: --compile does not work on cpu here: ")
    assert done.stderr.endswith(
        "Install a C++ compiler such as g++, whose path may be in CXX, or omit --compile\n"
    )


def test_any_failure_to_compile_is_refused_before_the_work(tmp_path, monkeypatch, capsys):
    def broken(function, **options):
        raise RuntimeError("Python 3.99 is not supported")

    monkeypatch.setattr(torch, "compile", broken)
    with pytest.raises(ValueError, match=r"RuntimeError: Python 3\.99 is not supported\. Install"):
        check_compiler(torch.device("cpu"))
    refusal = refused(capsys, lambda given: train(tmp_path / "run", *given), "--compile")
    assert "--compile does not work on cpu here" in refusal
    assert not (tmp_path / "run").exists()
