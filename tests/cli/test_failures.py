"""Errors as one sentence: the cause, and what to change."""

import errno
from types import SimpleNamespace

import pytest
import torch

from ddpm_core.cli.failures import explained, is_out_of_memory, one_line
from ddpm_core.storage.files import DamagedFile

CONFIG = SimpleNamespace(batch_size=8, accumulate=1, width=8, dtype="float32")
NO_MEMORY = [
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: 9 B"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("MPS backend out of memory (MPS allocated: 9.05 GB)"),
]


@pytest.mark.parametrize("error", NO_MEMORY, ids=lambda error: f"{error}"[:20])
def test_out_of_memory_names_the_options_to_change(error):
    sentence = explained(error, CONFIG)
    assert sentence.startswith(f"out of memory ({type(error).__name__}")
    assert sentence.endswith(
        "; pass a smaller --batch-size, or a larger --accumulate, or a smaller --width, or "
        "--dtype bf16"
    )
    assert explained(error, SimpleNamespace(batch_size=8)).endswith("; pass a smaller --batch-size")


def test_torch_raises_one_of_these_when_memory_is_not_there():
    with pytest.raises(RuntimeError) as raised:
        torch.empty(2**55)
    assert is_out_of_memory(raised.value)
    assert not is_out_of_memory(RuntimeError("shapes do not match"))


def test_a_compiler_failure_names_the_option():
    error = torch._dynamo.exc.InternalTorchDynamoError("no g++")
    assert explained(error, CONFIG) == "InternalTorchDynamoError: no g++; omit --compile"


def test_an_error_is_one_line_with_its_type_unless_it_was_written_for_a_user():
    assert one_line(KeyError("a")) == "KeyError: 'a'"
    assert one_line(RuntimeError("first\n  second.\n")) == "RuntimeError: first second"
    assert one_line(RuntimeError("cause\n\nSet TORCHDYNAMO_VERBOSE=1")) == "RuntimeError: cause"
    assert one_line(RuntimeError()) == "RuntimeError"
    assert one_line(DamagedFile("a.json is damaged")) == "a.json is damaged"
    assert one_line(OSError(errno.ENOSPC, "No space left", "a")).endswith("No space left: 'a'")
    assert len(one_line(RuntimeError("x" * 9999))) < 450
