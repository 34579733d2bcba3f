"""A finished autoencoder on disk: its weights, its measured scale, and a digest of both."""

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from ddpm_core._types import Gaussian
from ddpm_core.latent import LatentScale, LatentSpace
from ddpm_core.networks.autoencoder import Autoencoder
from ddpm_core.randomness import keyed_noise
from ddpm_core.storage.files import json_bytes, write_bytes
from ddpm_core.storage.format_1 import renamed_layers

FOLDER = "autoencoder"  # in the run that trained it, and in each run that diffuses its latents
WEIGHTS, ABOUT = "weights.safetensors", "autoencoder.json"
FORMAT = 1
AT_A_TIME = 256  # images encoded or decoded together
FIELDS = ("network", "image_shape", "levels", "seed", "shift", "scale", "decoder_variance", "data")


@dataclass(frozen=True, eq=False)
class KeptAutoencoder:
    """An autoencoder that is used and no longer trained."""

    network: Autoencoder
    space: LatentSpace
    image_shape: tuple[int, int, int]
    grey_levels: int
    seed: int  # keys the noise of the latents of training images
    decoder_variance: float  # what its images are off by in the mean, squared
    digest: str  # of the weights and of all of this
    data: str  # digest of what it was trained on
    watermark: str | None  # of one that was trained unverified
    files: dict[str, bytes]

    note: ClassVar[str] = "Upper rows: latents as colours; lower rows: decoded. MSE of latents"

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of the latents of an image."""
        _, height, width = self.image_shape
        factor = self.network.factor
        return self.network.latent_channels, height // factor, width // factor

    def draw(self, x: Tensor, indices: Tensor) -> tuple[Tensor, Gaussian]:
        """Draw scaled latents, with noise keyed by the images' indices; also their distribution."""
        distribution = self.space.distribution(x)
        return distribution.sample(draw_noise(self.seed, distribution.mean, indices)), distribution

    @torch.no_grad()
    def decode(self, y: Tensor) -> Tensor:
        """The pictures that scaled latents stand for, some at a time."""
        return torch.cat([self.space.decode(part) for part in y.split(AT_A_TIME)])

    def state(self, y: Tensor) -> Tensor:
        """Noisy latents to look at: three channels as colours, or the first alone; white is 3."""
        colours = y[:, : 3 if y.shape[1] >= 3 else 1] / 3
        factor = self.network.factor
        return colours.repeat_interleave(factor, 2).repeat_interleave(factor, 3)

    def is_in(self, run: Path) -> bool:
        """Whether it stands in a run's folder, byte for byte."""
        paths = {run / FOLDER / name: content for name, content in self.files.items()}
        return all(path.is_file() and path.read_bytes() == paths[path] for path in paths)

    def copy_to(self, run: Path) -> None:
        """Put it into a run's folder, unless it is there."""
        if not self.is_in(run):
            for name, content in self.files.items():
                write_bytes(run / FOLDER / name, content)


def draw_noise(seed: int, mean: Tensor, indices: Tensor) -> Tensor:
    """The noise of the latents of images, keyed by (seed, index)."""
    noise = keyed_noise(mean.shape[1:], seed, "latents", 0, indices.tolist(), dtype=mean.dtype)
    return noise.to(mean.device)  # drawn on the CPU, the same whatever encodes


def keep(run: Path, network: Autoencoder, about: dict[str, Any]) -> None:
    """Write the weights and what `FIELDS` name beside them; the one that says so comes last."""
    weights = save({name: each.contiguous() for name, each in network.state_dict().items()})
    about = {"format": FORMAT, "weights_sha256": sha256(weights).hexdigest(), **about}
    write_bytes(run / FOLDER / WEIGHTS, weights)
    path = run / FOLDER / ABOUT
    write_bytes(path, json_bytes(path, about))


def load_kept(run: Path, device: torch.device, wanted: str | None = None) -> KeptAutoencoder:
    """The autoencoder of a run, moved to the device. wanted: the digest that it has to have.

    Raises ValueError or FileNotFoundError where there is none, or it is damaged or another.
    """
    folder = run / FOLDER
    if not (folder / ABOUT).is_file() or not (folder / WEIGHTS).is_file():
        raise FileNotFoundError(_missing(run, wanted))
    files = {name: (folder / name).read_bytes() for name in (WEIGHTS, ABOUT)}
    digest = sha256(files[ABOUT]).hexdigest()
    try:
        about = json.loads(files[ABOUT])
        if about["format"] > FORMAT:
            raise ValueError(f"{folder} was written by a newer ddpm-core: upgrade ddpm-core")
        kind, shape, levels, seed, shift, scale, variance, data = (about[each] for each in FIELDS)
        whole = about["weights_sha256"] == sha256(files[WEIGHTS]).hexdigest()
        network = Autoencoder(**kind)
        network.load_state_dict(renamed_layers(load(files[WEIGHTS])))
        measured = LatentScale(
            *(torch.tensor(each, dtype=torch.float64) for each in (shift, scale))
        )
    except UnicodeDecodeError:
        raise ValueError(
            f"{folder / ABOUT} is damaged: it is no text. {_way_out(wanted)}"
        ) from None
    except (KeyError, TypeError, json.JSONDecodeError, RuntimeError, SafetensorError) as error:
        raise ValueError(f"{folder} is damaged: {error}. {_way_out(wanted)}") from None
    if not whole:
        raise ValueError(f"{folder / WEIGHTS} is not what {ABOUT} describes. {_way_out(wanted)}")
    if wanted is not None and digest != wanted:
        raise ValueError(
            f"{folder} holds another autoencoder (digest {digest[:12]}) than the one that this run "
            f"was trained with ({wanted[:12]}). {_way_out(wanted)}"
        )
    network = network.to(device).eval().requires_grad_(False)
    return KeptAutoencoder(
        network=network,
        space=LatentSpace(network.encode, network.decode, measured),
        image_shape=(shape[0], shape[1], shape[2]),
        grey_levels=levels,
        seed=seed,
        decoder_variance=variance,
        digest=digest,
        data=data,
        watermark=about.get("watermark"),
        files=files,
    )


def _missing(run: Path, wanted: str | None) -> str:
    if wanted is not None:
        return (
            f"{run} was trained in latents, and its autoencoder is missing from {run / FOLDER}. "
            f"{_way_out(wanted)}"
        )
    for above in run.parents[:2]:
        if (above / FOLDER / ABOUT).is_file():
            return f"{run} is in a run that has an autoencoder; name that run, {above}"
    if not run.is_dir():
        return f"{run} is no folder; name the --out-dir of a finished run of train_autoencoder"
    return (
        f"{run} has no autoencoder: train_autoencoder leaves one in its --out-dir once it has "
        "finished, and train --latent a copy in its own. Let that run finish, or name another"
    )


def _way_out(wanted: str | None) -> str:
    if wanted is None:
        return "Train it again, or name another run of train_autoencoder"
    return "Put back the folder from a copy of this run, or from the run that trained it"
