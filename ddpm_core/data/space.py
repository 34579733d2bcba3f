"""The space that is diffused: pixels themselves, or the latents of an autoencoder."""

from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor

from ddpm_core.data.dataset import Dataset, with_warning
from ddpm_core.data.latents import latents_of
from ddpm_core.storage.saved_autoencoder import load_autoencoder


@runtime_checkable
class Space(Protocol):
    """Operations on the space that a run diffuses: pixels, or latents."""

    @property
    def about(self) -> str:
        """Name the space in a sentence."""
        ...

    @property
    def suffix(self) -> str:
        """Suffix of the default run directory."""
        ...

    @property
    def digest(self) -> str | None:
        """Digest of the autoencoder; None for pixels."""
        ...

    @property
    def clips(self) -> bool:
        """Whether predictions of x_0 are clipped to [-1, 1]."""
        ...

    @property
    def exact(self) -> bool:
        """Whether decoding restores the very image that was encoded."""
        ...

    @property
    def note(self) -> str:
        """Caption of a denoising grid: what its colours and errors mean."""
        ...

    @property
    def watermark(self) -> str | None:
        """Watermark of everything that was made in the space."""
        ...

    def data_digest(self, images: str) -> str:
        """Digest of the encoded images, from that of the images."""
        ...

    def encode(self, x: Tensor, indices: Tensor) -> Tensor:
        """Encode images; `indices` key the noise of latents."""
        ...

    def decode(self, x_0: Tensor) -> Tensor:
        """Decode clean states, or predictions of them, to images."""
        ...

    def decoded_shape(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """(channels, height, width) of the images that states of `shape` decode to."""
        ...

    def colors(self, x_t: Tensor) -> Tensor:
        """Turn noisy states into images of one or three channels."""
        ...

    def bound_terms(
        self, x: Tensor, indices: Tensor, grey_levels: int
    ) -> tuple[Tensor, int | None, Tensor]:
        """Return (x_0 in float64, its grey levels, nats to add to the bound) of each image."""
        ...

    def install(self, run: Path) -> None:
        """Write what decodes the states into a run's folder."""
        ...

    def is_installed(self, run: Path) -> bool:
        """Return whether a run's folder holds what decodes the states."""
        ...


class Pixels:
    """Images are diffused as they are."""

    about: ClassVar[str] = "pixels"
    suffix: ClassVar[str] = ""
    digest: ClassVar[None] = None
    clips: ClassVar[bool] = True
    exact: ClassVar[bool] = True
    note: ClassVar[str] = "Fixed range [-1, 1], values outside clipped; magenta is not finite"
    watermark: ClassVar[None] = None

    def data_digest(self, images: str) -> str:
        """Return the digest of the images."""
        return images

    def encode(self, x: Tensor, indices: Tensor) -> Tensor:
        """Return the images."""
        return x

    def decode(self, x_0: Tensor) -> Tensor:
        """Return the images."""
        return x_0

    def decoded_shape(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """Return `shape`."""
        return shape

    def colors(self, x_t: Tensor) -> Tensor:
        """Return the noisy images."""
        return x_t

    def bound_terms(
        self, x: Tensor, indices: Tensor, grey_levels: int
    ) -> tuple[Tensor, int | None, Tensor]:
        """Return the images in float64, their grey levels, and no nats."""
        return x.double(), grey_levels, torch.zeros(len(x), dtype=torch.float64, device=x.device)

    def install(self, run: Path) -> None:
        """Write nothing: pixels need no decoder."""

    def is_installed(self, run: Path) -> bool:
        """Return True: pixels need no decoder."""
        return True


PIXELS = Pixels()


def enter_space(
    images: Dataset,
    run: Path | None,
    device: torch.device,
    *,
    write: bool,
    data_changed: bool = False,
) -> tuple[Space, Dataset]:
    """Return pixels and the images, or the space of the autoencoder in `run` and their latents.

    write: cache latents beside the autoencoder. data_changed: accept an autoencoder that was
    trained on other data, with a warning in `reading`. Raises as `load_autoencoder` and
    `latents_of` do, and ValueError for such an autoencoder otherwise.
    """
    if run is None:
        return PIXELS, images
    autoencoder = load_autoencoder(run, device)
    if images.shape == autoencoder.image_shape and autoencoder.data != images.digest():
        other = f"the autoencoder in {run} was trained on other data than {images.name} holds now"
        if not data_changed:
            raise ValueError(
                f"{other}, so these latents may be far from mean 0 and variance 1. Give the data "
                "of its training, or pass --data-changed ok"
            )
        images = with_warning(images, f"DATA CHANGED: {other}")
    return autoencoder, latents_of(images, autoencoder, write=write)


def reopen_space(run: Path, device: torch.device, digest: str | None) -> Space:
    """Return the space that a checkpoint in `run` was trained in, by its digest.

    Raises as `load_autoencoder` does.
    """
    return PIXELS if digest is None else load_autoencoder(run, device, digest)


def space_named(digest: str | None) -> str:
    """Name the space with this digest in a message."""
    return "pixels" if digest is None else f"the latents of autoencoder {digest[:12]}"
