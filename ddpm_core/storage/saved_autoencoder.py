"""A trained autoencoder on disk: its weights, its measured scale, and a digest of both."""

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
from ddpm_core.latent import LatentScale, LatentSpace, latent_bound
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
class SavedAutoencoder:
    """A trained autoencoder whose latents are diffused. A `Space`, see data/space.py."""

    run: Path  # whose folder holds it
    network: Autoencoder
    scaled: LatentSpace
    image_shape: tuple[int, int, int]
    grey_levels: int
    seed: int  # keys the noise of the latents of training images
    decoder_variance: float  # mean squared error of its reconstructions
    digest: str  # of the weights and of all of this
    data: str  # digest of what it was trained on
    watermark: str | None  # of one that was trained unverified
    files: dict[str, bytes]

    suffix: ClassVar[str] = "-latent"
    clips: ClassVar[bool] = False
    exact: ClassVar[bool] = False
    note: ClassVar[str] = "Upper rows: latents as colours; lower rows: decoded. MSE of latents"

    @property
    def about(self) -> str:
        """Name the autoencoder and its run."""
        return f"the latents of autoencoder {self.digest[:12]} in {self.run}"

    def data_digest(self, images: str) -> str:
        """Digest of the latents of images with this digest; the same on every machine."""
        return sha256(f"{images} in {self.digest}".encode()).hexdigest()

    def encode(self, x: Tensor, indices: Tensor) -> Tensor:
        """Return the scaled latents of images, with noise keyed by the images' indices."""
        return self._draw(x, indices)[0]

    @torch.no_grad()
    def decode(self, y: Tensor) -> Tensor:
        """Decode scaled latents to images, AT_A_TIME together."""
        return torch.cat([self.scaled.decode(part) for part in y.split(AT_A_TIME)])

    def decoded_shape(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """(channels, height, width) of the images that latents of `shape` decode to."""
        return self.image_shape

    def colors(self, y: Tensor) -> Tensor:
        """Show noisy latents: three channels as colours, or the first as grey; white is 3."""
        shown = y[:, : 3 if y.shape[1] >= 3 else 1] / 3
        factor = self.network.factor
        return shown.repeat_interleave(factor, 2).repeat_interleave(factor, 3)

    def bound_terms(
        self, x: Tensor, indices: Tensor, grey_levels: int
    ) -> tuple[Tensor, int | None, Tensor]:
        """Return (latents, None, nats the autoencoder adds to the bound). Eq. latent.bound."""
        y, q = self._draw(x, indices)
        decoded, q = self.decode(y).double(), Gaussian(q.mean.double(), q.var.double())
        decoder = Gaussian(decoded, torch.full_like(decoded, self.decoder_variance))
        none = torch.zeros(len(x), dtype=torch.float64, device=x.device)
        nats = latent_bound(x.double(), y.double(), q, decoder, none, grey_levels)
        return y.double(), None, nats.cpu()

    def install(self, run: Path) -> None:
        """Write the autoencoder into a run's folder, so that the run can be moved."""
        if not self.is_installed(run):
            for name, content in self.files.items():
                write_bytes(run / FOLDER / name, content)

    def is_installed(self, run: Path) -> bool:
        """Return whether a run's folder holds it, byte for byte."""
        paths = {run / FOLDER / name: content for name, content in self.files.items()}
        return all(path.is_file() and path.read_bytes() == paths[path] for path in paths)

    def _draw(self, x: Tensor, indices: Tensor) -> tuple[Tensor, Gaussian]:
        """Return scaled latents of images and the distribution that they were drawn from."""
        q = self.scaled.distribution(x)
        return q.sample(draw_noise(self.seed, q.mean, indices)), q


def draw_noise(seed: int, mean: Tensor, indices: Tensor) -> Tensor:
    """Draw the noise of the latents of images, keyed by (seed, index)."""
    noise = keyed_noise(mean.shape[1:], seed, "latents", 0, indices.tolist(), dtype=mean.dtype)
    return noise.to(mean.device)  # drawn on the CPU, the same whatever encodes


def save_autoencoder(run: Path, network: Autoencoder, about: dict[str, Any]) -> None:
    """Write the weights, then the JSON of `FIELDS` that vouches for them."""
    weights = save({name: each.contiguous() for name, each in network.state_dict().items()})
    about = {"format": FORMAT, "weights_sha256": sha256(weights).hexdigest(), **about}
    write_bytes(run / FOLDER / WEIGHTS, weights)
    path = run / FOLDER / ABOUT
    write_bytes(path, json_bytes(path, about))


def load_autoencoder(
    run: Path, device: torch.device, wanted: str | None = None
) -> SavedAutoencoder:
    """Load the autoencoder of a run to the device. wanted: the digest that it must have.

    Raises FileNotFoundError where there is none, ValueError where it is damaged or another.
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
        intact = about["weights_sha256"] == sha256(files[WEIGHTS]).hexdigest()
        network = Autoencoder(**kind)
        network.load_state_dict(renamed_layers(load(files[WEIGHTS])))
        measured = LatentScale(
            *(torch.tensor(each, dtype=torch.float64, device="cpu") for each in (shift, scale))
        )
    except UnicodeDecodeError:
        raise ValueError(
            f"{folder / ABOUT} is damaged: it is not text. {_remedy(wanted)}"
        ) from None
    except (KeyError, TypeError, json.JSONDecodeError, RuntimeError, SafetensorError) as error:
        raise ValueError(f"{folder} is damaged: {error}. {_remedy(wanted)}") from None
    if not intact:
        raise ValueError(f"{folder / WEIGHTS} is not what {ABOUT} describes. {_remedy(wanted)}")
    if wanted is not None and digest != wanted:
        raise ValueError(
            f"{folder} holds another autoencoder (digest {digest[:12]}) than the one this run was "
            f"trained with ({wanted[:12]}). {_remedy(wanted)}"
        )
    network = network.to(device).eval().requires_grad_(False)
    return SavedAutoencoder(
        run=run,
        network=network,
        scaled=LatentSpace(network.encode, network.decode, measured),
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
            f"{run} was trained in latents, but its autoencoder is missing from {run / FOLDER}. "
            f"{_remedy(wanted)}"
        )
    for above in run.parents[:2]:
        if (above / FOLDER / ABOUT).is_file():
            return f"{run} is in a run that has an autoencoder; name that run, {above}"
    if not run.is_dir():
        return f"{run} is not a folder; name the --out-dir of a finished run of train_autoencoder"
    return (
        f"{run} has no autoencoder: train_autoencoder leaves one in its --out-dir once it has "
        "finished, and train --latent a copy in its own. Let that run finish, or name another"
    )


def _remedy(wanted: str | None) -> str:
    if wanted is None:
        return "Train it again, or name another run of train_autoencoder"
    return "Put back the folder from a copy of this run, or from the run that trained it"
