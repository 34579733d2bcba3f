"""Counter-based randomness, keyed by (seed, purpose, step, sample).

A draw depends on its key alone, so resuming a run or splitting a batch repeats it.
"""

import hashlib
from collections.abc import Sequence
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

STEP_BITS, INDEX_BITS = 12, 20  # together 32: all that torch's CPU generator reads


def keyed_seed(seed: int, purpose: str, step: int = 0, index: int = 0) -> int:
    """Return a 64-bit seed for the key (seed, purpose, step, index).

    torch's CPU generator reads only 32 bits of its seed. For one (seed, purpose), a block of 2^12
    steps by 2^20 sample indices maps to those bits one to one, so no two draws of a block collide.
    Everything else is hashed (BLAKE2b).
    """
    if step < 0 or index < 0:
        raise ValueError(f"step = {step}, index = {index}; both must be at least 0")
    base = _block(seed, purpose, step >> STEP_BITS, index >> INDEX_BITS)
    offset = (step & (1 << STEP_BITS) - 1) << INDEX_BITS | index & (1 << INDEX_BITS) - 1
    low = (base + offset) & 0xFFFFFFFF
    return base & ~0xFFFFFFFF | low


@lru_cache(maxsize=64)  # the samples of a batch share one block
def _block(seed: int, purpose: str, step: int, index: int) -> int:
    name = f"{seed}/{purpose}/{step}/{index}".encode()
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "little")


def keyed_generator(
    seed: int, purpose: str, step: int = 0, index: int = 0, device: torch.device | str = "cpu"
) -> torch.Generator:
    """Return a new generator, seeded by the key (seed, purpose, step, index)."""
    return torch.Generator(device).manual_seed(keyed_seed(seed, purpose, step, index))


def keyed_noise(
    shape: Sequence[int],
    seed: int,
    purpose: str,
    step: int,
    indices: Sequence[int],
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Float[Tensor, " batch *event"]:
    """Draw standard normal noise whose row i depends on the global sample index indices[i] alone.

    shape: of one event. A sample has the same noise in every batch.
    """
    generator = torch.Generator(device)
    noise = torch.empty(len(indices), *shape, device=device, dtype=dtype)
    for row, index in zip(noise.unbind(0), indices, strict=True):
        row.normal_(generator=generator.manual_seed(keyed_seed(seed, purpose, step, index)))
    return noise
