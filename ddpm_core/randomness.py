"""Keyed randomness: every draw has an address, so that resuming or splitting a batch replays it."""

import hashlib
from collections.abc import Sequence
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

STEP_BITS, INDEX_BITS = 12, 20  # together the 32 bits that torch's CPU generator reads of a seed


def keyed_seed(seed: int, purpose: str, step: int = 0, index: int = 0) -> int:
    """A 64-bit seed for (seed, purpose, step, index).

    torch's CPU generator reads 32 bits of its seed. Under one (seed, purpose), blocks of 2^12
    steps by 2^20 sample indices map to those bits one to one, so no two draws of a block can
    collide; everything else is hashed (BLAKE2b).
    """
    if step < 0 or index < 0:
        raise ValueError(f"step = {step}, index = {index}: both count from 0")
    base = _block(seed, purpose, step >> STEP_BITS, index >> INDEX_BITS)
    place = (step & (1 << STEP_BITS) - 1) << INDEX_BITS | index & (1 << INDEX_BITS) - 1
    low = (base + place) & 0xFFFFFFFF
    return base & ~0xFFFFFFFF | low


@lru_cache(maxsize=64)  # a batch asks for one block, once for each sample
def _block(seed: int, purpose: str, step: int, index: int) -> int:
    name = f"{seed}/{purpose}/{step}/{index}".encode()
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "little")


def keyed_generator(
    seed: int, purpose: str, step: int = 0, index: int = 0, device: torch.device | str = "cpu"
) -> torch.Generator:
    """A fresh generator at the address (seed, purpose, step, index)."""
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
    """Standard normal noise, row i drawn for global sample indices[i] alone.

    shape is the event's. Sample i gets the same noise whatever batch it is drawn in.
    """
    generator = torch.Generator(device)
    noise = torch.empty(len(indices), *shape, device=device, dtype=dtype)
    for row, index in zip(noise.unbind(0), indices, strict=True):
        row.normal_(generator=generator.manual_seed(keyed_seed(seed, purpose, step, index)))
    return noise
