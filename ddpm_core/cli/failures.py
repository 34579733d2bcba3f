"""An error as one sentence that says what to change."""

from typing import Any

# Words of torch, CUDA, cuBLAS and MPS for memory that is not there; each raises RuntimeErrors.
OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "ALLOC_FAILED")
LONGEST = 400  # characters of a cause


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether memory ran out, on whatever device."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(each in str(error) for each in OUT_OF_MEMORY)


def is_compiler_failure(error: BaseException) -> bool:
    """Return whether torch.compile failed, or what it generated."""
    return type(error).__module__.startswith(("torch._dynamo", "torch._inductor", "triton"))


def is_expected(error: BaseException) -> bool:
    """Return whether the message was written for a user: ours, or of the operating system."""
    return type(error).__module__.startswith("ddpm_core") or isinstance(error, OSError)


def one_line(error: BaseException) -> str:
    """Return an error on one line, with its type unless the message was written for a user."""
    first = str(error).strip().split("\n\n")[0]  # torch's compiler adds paragraphs of hints
    text = " ".join(first.split()).rstrip(".")
    text = text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."
    name = "" if is_expected(error) else type(error).__name__
    return ": ".join(each for each in (name, text) if each) or type(error).__name__


def explained(error: BaseException, config: Any) -> str:
    """Return the cause and its remedy; config: the options of the command, which the remedy names.

    The sentence has no full stop.
    """
    if is_out_of_memory(error):
        hints = {
            "batch_size": "a smaller --batch-size",
            "accumulate": "a larger --accumulate",
            "width": "a smaller --width",
            "image_size": "a smaller --image-size",
            "dtype": "--dtype bf16",
        }
        known = [hint for name, hint in hints.items() if hasattr(config, name)]
        return f"out of memory ({one_line(error)}); pass {', or '.join(known)}"
    if is_compiler_failure(error):
        return f"{one_line(error)}; omit --compile"
    return one_line(error)
