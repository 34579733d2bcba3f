"""A dataset in the latents of an autoencoder: drawn once, cached on disk, read from memory."""

import io
from dataclasses import replace
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ddpm_core.cli.progress import progress, say
from ddpm_core.data.dataset import Dataset
from ddpm_core.storage.files import write_bytes
from ddpm_core.storage.saved_autoencoder import AT_A_TIME, FOLDER, SavedAutoencoder


def latents_of(images: Dataset, autoencoder: SavedAutoencoder, *, write: bool) -> Dataset:
    """Return the dataset with the scaled latents of its images in their place.

    They are read from the autoencoder's run, or drawn and, with `write`, cached there where that is
    possible. Raises ValueError for images of another shape, and for a damaged or foreign cache.
    """
    if images.shape != autoencoder.image_shape:
        raise ValueError(
            f"{images.name} has images of shape {images.shape}, but the autoencoder of "
            f"{autoencoder.run} takes {autoencoder.image_shape}; give the --dataset and "
            "--image-size of its training"
        )
    key = autoencoder.data_digest(images.digest())
    path = autoencoder.run / FOLDER / "latents" / f"{key[:16]}.npz"
    if path.exists():
        latents = _read(path, key)
    else:
        latents = _drawn(images, autoencoder)
        if write:
            _cache(path, key, latents)
    return replace(images, images=latents)


def _cache(path: Path, key: str, latents: Tensor) -> None:
    content = io.BytesIO()
    np.savez(content, key=np.array(key), latents=latents.numpy())
    try:
        write_bytes(path, content.getvalue())
    except OSError as error:
        reason = f"{path.parent}: {error.strerror}"
        say(f"NOTE: latents cannot be cached in {reason}; each start draws them again", error=True)


def _read(path: Path, key: str) -> Tensor:
    try:
        with np.load(path, allow_pickle=False) as held:
            of, latents = str(held["key"]), held["latents"]
    except (ValueError, KeyError, EOFError, BadZipFile) as error:
        raise ValueError(f"{path} is damaged; delete it, and it is made again") from error
    if of != key:
        raise ValueError(
            f"{path} holds latents of other data, or of another autoencoder, than its name says; "
            "delete it, and it is made again"
        )
    return torch.from_numpy(latents)


@torch.no_grad()
def _drawn(
    images: Dataset, autoencoder: SavedAutoencoder
) -> Float[Tensor, "n channels height width"]:
    n, rows = len(images.images), []
    device = next(autoencoder.network.parameters()).device
    with progress(n, "latents", "image") as bar:
        for indices in torch.arange(n, device="cpu").split(AT_A_TIME):
            x = images.take(indices).to(device)
            rows.append(autoencoder.encode(x, indices).cpu())
            bar.update(len(indices))
    return torch.cat(rows)
