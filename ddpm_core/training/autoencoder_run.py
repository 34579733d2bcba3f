"""Training of an autoencoder: its task, its previews, and how it is saved for diffusion."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from ddpm_core._types import Gaussian
from ddpm_core.cli.progress import say
from ddpm_core.data.dataset import Dataset, batch_indices
from ddpm_core.data.space import PIXELS, Space
from ddpm_core.data.split import spread
from ddpm_core.figures.curves import latent_figure
from ddpm_core.figures.grids import reconstruction_grid
from ddpm_core.gate.authorization import Authorization
from ddpm_core.latent import AutoencoderLoss, LatentScale, autoencoder_loss, posterior_of
from ddpm_core.losses import Loss
from ddpm_core.networks.autoencoder import Autoencoder
from ddpm_core.randomness import keyed_noise, keyed_seed
from ddpm_core.schedules import Schedule
from ddpm_core.storage import files
from ddpm_core.storage.saved_autoencoder import (
    AT_A_TIME,
    draw_noise,
    load_autoencoder,
    save_autoencoder,
)
from ddpm_core.training.autoencoder_config import AutoencoderConfig
from ddpm_core.training.build import authorize_run, build_dataset, seeded
from ddpm_core.training.state import NonFiniteError, TrainState

HELDOUT = 500  # images at most, of training as of validation and of test


def build_autoencoder(config: AutoencoderConfig, dataset: Dataset) -> Autoencoder:
    """Return the network of the options, initialised from the run's seed.

    Raises ValueError for images whose size its factor does not divide.
    """
    channels, height, width = dataset.shape
    if height % config.factor or width % config.factor:
        near = max(config.factor, min(height, width) // config.factor * config.factor)
        resize = f"pass --image-size {near}" if dataset.grey_levels == 256 else "pad or crop them"
        raise ValueError(
            f"--factor {config.factor} does not divide images of {height} x {width} pixels, as "
            f"{dataset.name} has them; {resize}, or pass another --factor"
        )
    with seeded(keyed_seed(config.seed, "initialisation")):
        network = Autoencoder(
            channels, config.latent_channels, config.factor, config.width, config.blocks
        )
    if config.channels_last:
        nn.utils.convert_conv2d_weight_memory_format(network, torch.channels_last)
    return network


def autoencode(network: Autoencoder) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Return (x, noise) -> (moments, the image decoded from latents drawn with the noise)."""

    def forward(x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        moments = network.encode(x).float()
        return moments, network.decode(posterior_of(moments).sample(noise))

    return forward


@dataclass(eq=False, kw_only=True)
class AutoencoderTask:
    """An autoencoder that learns to reconstruct images from few numbers. A `Task`."""

    config: AutoencoderConfig
    images: Dataset
    state: TrainState
    authorization: Authorization

    command: ClassVar[str] = "train_autoencoder"
    suffix: ClassVar[str] = "-autoencoder"
    space: ClassVar[Space] = PIXELS

    @classmethod
    def prepare(cls, config: AutoencoderConfig) -> "AutoencoderTask":
        """Return the task of the options; all bad input is found here, before any work.

        Raises NotVerified before an accelerator is touched, ValueError for everything else.
        """
        # An autoencoder has no schedule; any one will do, because the gate checks the code.
        authorization = authorize_run(config, Schedule.linear())
        images = build_dataset(config)
        network = build_autoencoder(config, images).to(authorization.device)
        state = TrainState.create(config, network, autoencode(network))
        return cls(config=config, images=images, state=state, authorization=authorization)

    @property
    def dataset(self) -> Dataset:
        """The images, which are what the network sees."""
        return self.images

    @property
    def device(self) -> torch.device:
        """The device that the gate admitted."""
        return torch.device(self.authorization.device)

    @property
    def network(self) -> Autoencoder:
        """The autoencoder with EMA weights, which previews show and `conclude` saves."""
        network = self.state.ema.network
        if not isinstance(network, Autoencoder):
            raise TypeError(f"{type(network).__name__} is not an Autoencoder")
        return network

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of the latents of an image."""
        _, height, width = self.images.shape
        config = self.config
        return config.latent_channels, height // config.factor, width // config.factor

    def describe(self) -> str:
        """Describe the network, and the size of its latents beside that of an image."""
        weights = sum(p.numel() for p in self.state.network.parameters())
        many, few = math.prod(self.images.shape), math.prod(self.latent_shape)
        return (
            f"autoencoder with {weights:,} parameters; {few:,} latents of shape "
            f"{self.latent_shape} for the {many:,} numbers of an image"
        )

    def is_complete(self, folder: Path) -> bool:
        """Return whether the saved autoencoder is there and intact."""
        try:
            load_autoencoder(folder, torch.device("cpu"))
        except (ValueError, FileNotFoundError):
            return False
        return True

    def step(self, step: int) -> dict[str, float]:
        """Take optimizer step `step` = 0, 1, ... on its own batch, with noise keyed by the step."""
        config, state, device = self.config, self.state, self.device
        indices = batch_indices(self.images.train, config.seed, step, config.batch_size)
        layout = torch.channels_last if config.channels_last else torch.contiguous_format
        x = self.images.take(indices).to(device, memory_format=layout)
        rows = range(len(indices))
        noise = keyed_noise(self.latent_shape, config.seed, "training", step, rows)
        state.network.train()
        state.optimizer.zero_grad()
        with torch.autocast(device.type, torch.bfloat16, enabled=config.dtype == "bf16"):
            moments, x_hat = state.forward(x, noise.to(device))
        loss = self._loss(x, x_hat, posterior_of(moments))
        broken = ~loss.total.per_sample.isfinite()
        if broken.any():
            raise NonFiniteError(
                f"the loss of step {step + 1} is not finite for training images "
                f"{indices[broken.cpu()][:8].tolist()}"
            )
        loss.total.mean.backward()
        state.update(config, step, f"training images {indices[:8].tolist()} ...")
        return _means(loss)

    def preview(self, folder: Path, step: int, watermark: str | None) -> dict[str, object]:
        """Draw reconstructions and latents; return the held-out loss, a row of metrics."""
        heldout = self._reconstruct(self.images.validation)
        name = f"step-{step:06d}.png"
        few = spread(torch.arange(len(heldout.x), device="cpu"), self.config.preview_samples)
        grid = reconstruction_grid(heldout.x[few], heldout.x_hat[few], watermark=watermark)
        files.write_bytes(folder / "reconstructions" / name, grid)
        files.write_bytes(folder / "latents.png", latent_figure(heldout.z, watermark=watermark))
        return {f"validation_{name}": mean for name, mean in _means(heldout.loss).items()}

    def conclude(self, folder: Path, step: int, watermark: str | None) -> str:
        """Measure the scale of the latents and the test error, and save the autoencoder."""
        images, config = self.images, self.config
        say(f"measuring the latents of {len(images.train):,} training images")
        scale = LatentScale.measured(
            torch.cat([z.cpu() for _, _, z in self._encoded(images.train)])
        )
        variance = _means(self._reconstruct(images.train).loss)["reconstruction"]
        about = {
            "network": {
                "image_channels": images.shape[0],
                "latent_channels": config.latent_channels,
                "factor": config.factor,
                "width": config.width,
                "blocks": config.blocks,
            },
            "image_shape": list(images.shape),
            "levels": images.grey_levels,
            "dataset": config.dataset,
            "data": images.digest(),
            "seed": config.seed,
            "step": step,
            "shift": scale.shift.tolist(),
            "scale": scale.scale.tolist(),
            "decoder_variance": variance,
            "watermark": watermark,
        }
        save_autoencoder(folder, self.network, about)
        loss = self._reconstruct(images.test).loss
        errors, means = loss.reconstruction.double(), _means(loss)
        error = float(errors.std() / math.sqrt(len(errors))) if len(errors) > 1 else None
        result: dict[str, Any] = {"step": step, "images": len(errors), "standard_error": error}
        files.write_json(folder / "test.json", result | means)
        known = "one image: no error bar" if error is None else f"standard error {error:.5f}"
        return (
            f"mean squared error on {len(errors)} test images: {means['reconstruction']:.5f} "
            f"({known}); KL divergence of their latents from N(0, 1): {means['kl']:.0f} nats"
        )

    def _loss(self, x: Tensor, x_hat: Tensor, q: Gaussian) -> AutoencoderLoss:
        return autoencoder_loss(x, x_hat, q, self.config.kl_weight, self.config.gradient_weight)

    def _encoded(self, indices: Tensor) -> Iterator[tuple[Tensor, Gaussian, Tensor]]:
        """Yield (images, distribution of their latents, the draw that diffusion is trained on),
        AT_A_TIME together, by the EMA weights."""
        for part in indices.split(AT_A_TIME):
            x = self.images.take(part).to(self.device)
            with torch.no_grad():
                q = posterior_of(self.network.encode(x))
            yield x, q, q.sample(draw_noise(self.config.seed, q.mean, part))

    def _reconstruct(self, indices: Tensor) -> "Reconstructions":
        """Reconstruct HELDOUT of the images at most, evenly spread."""
        rows = []
        for x, q, z in self._encoded(spread(indices, HELDOUT)):
            with torch.no_grad():
                x_hat = self.network.decode(z)
            loss = self._loss(x, x_hat, q)
            parts = (loss.total.per_sample, loss.reconstruction, loss.gradient, loss.kl)
            rows.append([each.cpu() for each in (x, x_hat, z, *parts)])
        x, x_hat, z, total, error, edges, kl = map(torch.cat, zip(*rows, strict=True))
        return Reconstructions(x, x_hat, z, AutoencoderLoss(Loss(total), error, edges, kl))


class Reconstructions(NamedTuple):
    """Images, their reconstructions and latents, and the loss of each."""

    x: Tensor
    x_hat: Tensor
    z: Tensor
    loss: AutoencoderLoss


def _means(loss: AutoencoderLoss) -> dict[str, float]:
    parts = {"loss": loss.total.per_sample, "reconstruction": loss.reconstruction, "kl": loss.kl}
    return {name: float(each.detach().double().mean()) for name, each in parts.items()}
