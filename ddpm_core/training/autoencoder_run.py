"""A run that trains an autoencoder, measures its latents and keeps it for diffusion."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from ddpm_core._types import Gaussian
from ddpm_core.cli.progress import say
from ddpm_core.data.dataset import Dataset, batch_indices, load_dataset, spread
from ddpm_core.figures.curves import latent_figure
from ddpm_core.figures.sheets import reconstruction_grid
from ddpm_core.latent import AutoencoderLoss, LatentScale, autoencoder_loss, posterior_of
from ddpm_core.losses import Loss
from ddpm_core.networks.autoencoder import Autoencoder
from ddpm_core.randomness import keyed_noise, keyed_seed
from ddpm_core.schedules import Schedule
from ddpm_core.storage import files
from ddpm_core.storage.saved_autoencoder import AT_A_TIME, draw_noise, keep, load_kept
from ddpm_core.training.autoencoder_config import AutoencoderConfig
from ddpm_core.training.build import seeded
from ddpm_core.training.loop import Run, let_in
from ddpm_core.training.state import NonFiniteError, Trainee

HELDOUT = 500  # images at most, of training as of validation and of test


def build_autoencoder(config: AutoencoderConfig, dataset: Dataset) -> Autoencoder:
    """The network that the options describe, initialised from the run's seed.

    Raises ValueError for images that its factor does not divide.
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


def there_and_back(network: Autoencoder) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """What a step calls: (x, noise) -> (moments, the image decoded from a draw of the latents)."""

    def passed(x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        moments = network.encode(x).float()
        return moments, network.decode(posterior_of(moments).sample(noise))

    return passed


@dataclass(eq=False, kw_only=True)
class AutoencoderRun(Run):
    """An autoencoder that learns to give images back from few numbers."""

    config: AutoencoderConfig

    command: ClassVar[str] = "train_autoencoder"

    @classmethod
    def prepare(cls, config: AutoencoderConfig) -> "AutoencoderRun":
        """Everything that can be wrong with the input is found here, before any work.

        Raises NotVerified before an accelerator is touched, ValueError for the rest.
        """
        admission = let_in(config, Schedule.linear())  # it has none of its own: the code counts
        dataset = load_dataset(config.dataset, config.image_size)
        network = build_autoencoder(config, dataset).to(admission.device)
        source = config.dataset.split(":")[0]
        return cls(
            config=config,
            folder=config.out_dir or Path("runs") / f"{source}-autoencoder",
            dataset=dataset,
            trainee=Trainee.of(config, network, there_and_back(network)),
            admission=admission,
            admissions=[admission.to_json()],
        )

    @property
    def network(self) -> Autoencoder:
        """The averaged one, which is looked at and kept."""
        network = self.trainee.ema.network
        if not isinstance(network, Autoencoder):
            raise TypeError(f"{type(network).__name__} is no Autoencoder")
        return network

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of the latents of an image."""
        _, height, width = self.dataset.shape
        config = self.config
        return config.latent_channels, height // config.factor, width // config.factor

    def describe(self) -> str:
        """The network, and how many numbers stand for those of an image."""
        weights = sum(p.numel() for p in self.trainee.network.parameters())
        many, few = math.prod(self.dataset.shape), math.prod(self.latent_shape)
        return (
            f"autoencoder of {weights:,} parameters: {few:,} numbers of shape {self.latent_shape} "
            f"for the {many:,} of an image"
        )

    def is_done(self) -> bool:
        """Also whether what it leaves is there and whole; if not, it is measured and kept again."""
        try:
            load_kept(self.folder, torch.device("cpu"))
        except (ValueError, FileNotFoundError):
            return False
        return super().is_done()

    def take_step(self) -> tuple[dict[str, float], float]:
        """A batch with noise of its own."""
        config, trainee, device = self.config, self.trainee, self.device
        indices = batch_indices(self.dataset.train, config.seed, self.step, config.batch_size)
        layout = torch.channels_last if config.channels_last else torch.contiguous_format
        x = self.dataset.take(indices).to(device, memory_format=layout)
        places = range(len(indices))
        noise = keyed_noise(self.latent_shape, config.seed, "training", self.step, places)
        trainee.network.train()
        trainee.optimizer.zero_grad()
        with torch.autocast(device.type, torch.bfloat16, enabled=config.dtype == "bf16"):
            moments, x_hat = trainee.forward(x, noise.to(device))
        loss = self._loss(x, x_hat, posterior_of(moments))
        broken = ~loss.total.per_sample.isfinite()
        if broken.any():
            raise NonFiniteError(
                f"the loss of step {self.step + 1} is not finite for training images "
                f"{indices[broken.cpu()][:8].tolist()}"
            )
        loss.total.mean.backward()
        norm = trainee.update(config, self.step, f"training images {indices[:8].tolist()} ...")
        return _means(loss), norm

    def look(self) -> None:
        """Held-out loss, images beside what comes back of them, and what latents look like."""
        seen = self._see(self.dataset.validation)
        row = {f"validation_{name}": mean for name, mean in _means(seen.loss).items()}
        files.append_line(self.folder / "metrics.jsonl", {"step": self.step, **row})
        name, mark, shown = f"step-{self.step:06d}.png", self.watermark, self.config.preview_samples
        few = spread(torch.arange(len(seen.x)), shown)
        grid = reconstruction_grid(seen.x[few], seen.x_hat[few], watermark=mark)
        files.write_bytes(self.folder / "reconstructions" / name, grid)
        files.write_bytes(self.folder / "latents.png", latent_figure(seen.z, watermark=mark))

    def conclude(self) -> str:
        """The error on test images; the scale of the training images' latents, and all is kept."""
        say(f"measuring the latents of {len(self.dataset.train):,} training images")
        scale = LatentScale.measured(
            torch.cat([z.cpu() for _, _, z in self._encoded(self.dataset.train)])
        )
        config, variance = self.config, _means(self._see(self.dataset.train).loss)["reconstruction"]
        keep(
            self.folder,
            self.network,
            {
                "network": {
                    "image_channels": self.dataset.shape[0],
                    "latent_channels": config.latent_channels,
                    "factor": config.factor,
                    "width": config.width,
                    "blocks": config.blocks,
                },
                "image_shape": list(self.dataset.shape),
                "levels": self.dataset.grey_levels,
                "dataset": config.dataset,
                "data": self.dataset.digest(),
                "seed": config.seed,
                "step": self.step,
                "shift": scale.shift.tolist(),
                "scale": scale.scale.tolist(),
                "decoder_variance": variance,
                "watermark": self.watermark,
            },
        )
        loss = self._see(self.dataset.test).loss
        errors, means = loss.reconstruction.double(), _means(loss)
        error = float(errors.std() / math.sqrt(len(errors))) if len(errors) > 1 else None
        result: dict[str, Any] = {"step": self.step, "images": len(errors), "standard_error": error}
        files.write_json(self.folder / "test.json", result | means)
        doubt = "one image: no error bar" if error is None else f"standard error {error:.5f}"
        return (
            f"mean squared error on {len(errors)} test images: {means['reconstruction']:.5f} "
            f"({doubt}); their latents are {means['kl']:.0f} nats from noise"
        )

    def _loss(self, x: Tensor, x_hat: Tensor, q: Gaussian) -> AutoencoderLoss:
        return autoencoder_loss(x, x_hat, q, self.config.kl_weight, self.config.gradient_weight)

    def _encoded(self, indices: Tensor) -> Iterator[tuple[Tensor, Gaussian, Tensor]]:
        """(images, law of their latents, a draw of it) of some at a time, by the averaged network;
        the draw is the one that diffusion is trained on."""
        for part in indices.split(AT_A_TIME):
            x = self.dataset.take(part).to(self.device)
            with torch.no_grad():
                q = posterior_of(self.network.encode(x))
            yield x, q, q.sample(draw_noise(self.config.seed, q.mean, part))

    def _see(self, indices: Tensor) -> "Seen":
        """At most HELDOUT of the images, evenly spread."""
        rows = []
        for x, q, z in self._encoded(spread(indices, HELDOUT)):
            with torch.no_grad():
                x_hat = self.network.decode(z)
            loss = self._loss(x, x_hat, q)
            parts = (loss.total.per_sample, loss.reconstruction, loss.gradient, loss.kl)
            rows.append([each.cpu() for each in (x, x_hat, z, *parts)])
        x, x_hat, z, total, error, edges, kl = map(torch.cat, zip(*rows, strict=True))
        return Seen(x, x_hat, z, AutoencoderLoss(Loss(total), error, edges, kl))


class Seen(NamedTuple):
    """Images, what comes back of them, their latents, and the loss of each."""

    x: Tensor
    x_hat: Tensor
    z: Tensor
    loss: AutoencoderLoss


def _means(loss: AutoencoderLoss) -> dict[str, float]:
    parts = {"loss": loss.total.per_sample, "reconstruction": loss.reconstruction, "kl": loss.kl}
    return {name: float(each.detach().double().mean()) for name, each in parts.items()}
