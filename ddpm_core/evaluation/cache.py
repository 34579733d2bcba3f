"""What is done is kept: arrays in a file, under a key of all that they depend on."""

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
    """SHA-256 of what the network holds, name by name."""
    sha = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        sha.update(name.encode() + value.cpu().contiguous().numpy().tobytes())
    return sha.digest()


def key_for(trained: Trained, dataset: Dataset, told: Sequence[object]) -> str:
    """A digest of weights (the autoencoder's, too), schedule, data and the options `told`."""
    schedule = trained.schedule.log_alpha_bar.numpy().tobytes()
    data = dataset.digest() + (trained.space.digest or "")
    parts = [weights_digest(trained.network), schedule, data.encode()]
    return hashlib.sha256(b"".join([*parts, json.dumps(told).encode()])).hexdigest()


def place(folder: Path, key: str, indices: Int64[Tensor, " images"]) -> tuple[Path, str]:
    """Where a part of these images is kept, and its own key; parts of other questions, or of other
    images that begin alike, lie beside it."""
    own = f"{key} of {indices.tolist()}"
    name = f"{int(indices[0]):06d}-{len(indices)}-{hashlib.sha256(own.encode()).hexdigest()[:12]}"
    return folder / f"{name}.npz", own


def pack(key: str, **arrays: Any) -> bytes:
    """A file of arrays; `key` says of what."""
    content = io.BytesIO()
    np.savez(content, key=np.frombuffer(key.encode(), np.uint8), **arrays)
    return content.getvalue()


def unpack(path: Path, key: str, names: Sequence[str]) -> dict[str, Any] | None:
    """The arrays of these names, if the file is whole and was made under this key."""
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as found:
            if found["key"].tobytes() != key.encode():
                return None
            return {name: found[name] for name in names}
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):  # none yet, or cut off
        return None
