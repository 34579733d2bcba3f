"""Result cache: arrays stored under a digest of all their inputs."""

import hashlib
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from jaxtyping import Int64
from torch import Tensor, nn

from ddpm_core.data.dataset import Dataset
from ddpm_core.training.trained import Trained


def weights_digest(network: nn.Module) -> bytes:
    """Return the SHA-256 of the names and values of a network's state."""
    sha = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        sha.update(name.encode() + value.cpu().contiguous().numpy().tobytes())
    return sha.digest()


def cache_key(trained: Trained, dataset: Dataset, options: Sequence[object]) -> str:
    """Return a digest of the weights (also the autoencoder's), schedule, data and options."""
    schedule = trained.schedule.log_alpha_bar.numpy().tobytes()
    data = dataset.digest() + (trained.space.digest or "")
    parts = [weights_digest(trained.network), schedule, data.encode()]
    return hashlib.sha256(b"".join([*parts, json.dumps(options).encode()])).hexdigest()


def cache_file(folder: Path, key: str, indices: Int64[Tensor, " images"]) -> tuple[Path, str]:
    """Return the file for a batch of images, and the key stored in it.

    Other options, or other images that start with the same index, have a file of their own.
    """
    own = f"{key} of {indices.tolist()}"
    name = f"{int(indices[0]):06d}-{len(indices)}-{hashlib.sha256(own.encode()).hexdigest()[:12]}"
    return folder / f"{name}.npz", own


def pack(key: str, **arrays: Any) -> bytes:
    """Return the content of a file with these arrays and their key."""
    content = io.BytesIO()
    np.savez(content, key=np.frombuffer(key.encode(), np.uint8), **arrays)
    return content.getvalue()


def unpack(path: Path, key: str, names: Sequence[str]) -> dict[str, Any] | None:
    """Read these arrays, or return None if the file is missing, damaged or has another key."""
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as found:
            if found["key"].tobytes() != key.encode():
                return None
            return {name: found[name] for name in names}
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):  # missing or truncated
        return None
