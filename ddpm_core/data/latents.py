"""A data set in the latents of an autoencoder: drawn once, kept on disk, read from memory."""

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from zipfile import BadZipFile

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ddpm_core.cli.progress import progress, say
from ddpm_core.data.dataset import Dataset
from ddpm_core.storage.files import write_bytes
from ddpm_core.storage.saved_autoencoder import AT_A_TIME, FOLDER, KeptAutoencoder


@dataclass(frozen=True, eq=False)
class Latents(Dataset):
    """The scaled latents of pictures, in the place of images."""

    pictures: Dataset
    autoencoder: KeptAutoencoder

    PICTURES: ClassVar[bool] = False

    def digest(self) -> str:
        """SHA-256 of what they are made of, which is the same on every machine."""
        return _key(self.pictures, self.autoencoder)


def latents_of(pictures: Dataset, kept: KeptAutoencoder, run: Path, *, write: bool) -> Latents:
    """The latents of all pictures, read from the autoencoder's run or worked out and put there,
    if they can be.

    Raises ValueError for pictures of another shape, and for a file of other latents in their place.
    """
    if pictures.shape != kept.image_shape:
        raise ValueError(
            f"{pictures.name} has images of shape {pictures.shape}, and the autoencoder of {run} "
            f"takes {kept.image_shape}; give the --dataset and --image-size of its training"
        )
    key = _key(pictures, kept)
    path = run / FOLDER / "latents" / f"{key[:16]}.npz"
    found = _read(path, key) if path.exists() else None
    if found is None:
        found = _drawn(pictures, kept)
        if write:
            content = io.BytesIO()
            np.savez(content, key=np.array(key), latents=found.numpy())
            try:
                write_bytes(path, content.getvalue())
            except OSError as error:
                why = f"{path.parent}: {error.strerror}"
                say(
                    f"NOTE: latents cannot be kept in {why}; each start draws them again",
                    error=True,
                )
    return Latents(
        pictures.name,
        found,
        pictures.labels,
        pictures.class_names,
        pictures.grey_levels,
        pictures.train,
        pictures.validation,
        pictures.test,
        pictures=pictures,
        autoencoder=kept,
    )


def _key(pictures: Dataset, kept: KeptAutoencoder) -> str:
    return hashlib.sha256(f"{pictures.digest()} in {kept.digest}".encode()).hexdigest()


def _read(path: Path, key: str) -> Tensor:
    try:
        with np.load(path, allow_pickle=False) as held:
            told, latents = str(held["key"]), held["latents"]
    except (ValueError, KeyError, EOFError, BadZipFile) as error:
        raise ValueError(f"{path} is damaged; delete it, and it is made again") from error
    if told != key:
        raise ValueError(
            f"{path} holds latents of other data, or of another autoencoder, than its name says; "
            "delete it, and it is made again"
        )
    return torch.from_numpy(latents)


@torch.no_grad()
def _drawn(pictures: Dataset, kept: KeptAutoencoder) -> Float[Tensor, "n channels height width"]:
    n, rows = len(pictures.images), []
    device = next(kept.network.parameters()).device
    with progress(n, "latents", "image") as bar:
        for indices in torch.arange(n).split(AT_A_TIME):
            rows.append(kept.draw(pictures.take(indices).to(device), indices)[0].cpu())
            bar.update(len(indices))
    return torch.cat(rows)
