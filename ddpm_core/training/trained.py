"""A trained model, loaded from its run for the commands that use one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from ddpm_core._types import Denoiser, Parameterization
from ddpm_core.cli.options import from_json
from ddpm_core.data.space import Space, reopen_space
from ddpm_core.denoiser import ClipX0, NetworkDenoiser
from ddpm_core.gate.authorization import watermark
from ddpm_core.networks.unet import UNet
from ddpm_core.samplers.ancestral import Variance
from ddpm_core.schedules import Schedule
from ddpm_core.storage.checkpoint import latest_checkpoint, load_checkpoint
from ddpm_core.training.build import build_network, build_schedule
from ddpm_core.training.diffusion_config import TrainConfig


@dataclass(frozen=True, eq=False)
class Trained:
    """The EMA weights of a checkpoint, and what they were trained for."""

    run: Path
    step: int
    config: TrainConfig
    network: UNet
    schedule: Schedule
    image_shape: tuple[int, int, int]
    grey_levels: int
    class_names: tuple[str, ...]
    watermark: str | None  # of a run that was trained unverified, or on data that changed
    space: Space  # pixels, or the latents of the run's autoencoder
    about: Mapping[str, Any]  # the state of the checkpoint

    @property
    def picture_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of the images that samples decode to."""
        return self.space.decoded_shape(self.image_shape)

    def denoiser(self, clip: bool) -> Denoiser:
        """Return the network's prediction of x_0, clipped to [-1, 1] with `clip` in pixels."""
        plain = NetworkDenoiser(
            self.schedule, self.network, self.parameterization, self.learns_variance
        )
        return ClipX0(plain) if self.clips(clip) else plain

    def clips(self, requested: bool) -> bool:
        """Return whether x0_hat is clipped: as requested in pixels, never in latents."""
        return requested and self.space.clips

    def check_clip(self, requested: bool) -> None:
        """Refuse --no-clip in latents, which are never clipped."""
        if not requested and not self.space.clips:
            raise ValueError(
                f"omit --no-clip: {self.run} was trained in latents, which are never clipped"
            )

    @property
    def remarks(self) -> list[str]:
        """Return what a user must know about everything made with this model."""
        found = [] if self.watermark is None else [self.watermark]
        if self.step == 0:
            found.append(f"NOTE: {self.run} was stopped at step 0: its network is untrained")
        return found

    def marked(self, warnings: Sequence[str]) -> "Trained":
        """Return the model with warnings that every picture made with it shows."""
        marks = [*([] if self.watermark is None else [self.watermark]), *warnings]
        return replace(self, watermark="; ".join(marks) or None)

    def unseen(self, labels: Sequence[int]) -> list[str]:
        """Return the names of those classes that had no training image."""
        counts = self.about.get("images_per_class") or [1] * len(self.class_names)
        return [self.class_names[label] for label in labels if not counts[label]]

    @property
    def parameterization(self) -> Parameterization:
        """Parameterization of the network's prediction."""
        return self.config.parameterization

    @property
    def learns_variance(self) -> bool:
        """Whether the network also predicts the variance of a step."""
        return self.config.learns_variance

    def variance(self, requested: Variance | None) -> Variance:
        """Return the requested variance; default: the learned one if any, else fixed_small.

        Raises ValueError for learned_range if the run learned no variance.
        """
        if requested == "learned_range" and not self.learns_variance:
            raise ValueError(
                f"--variance learned_range, but {self.run} learned no variance; omit it, or "
                "train with --loss hybrid or vlb"
            )
        return requested or ("learned_range" if self.learns_variance else "fixed_small")


def load_trained(path: Path, device: torch.device) -> Trained:
    """Load the model of a run's newest checkpoint, or of the checkpoint at `path`.

    Raises FileNotFoundError if there is none and ValueError if it is damaged; likewise for
    the autoencoder of a run in latents.
    """
    if not path.is_dir():
        raise FileNotFoundError(f"{path} is not a folder; name the --out-dir of a training run")
    is_run = not (path / "MANIFEST.json").exists()
    saved = latest_checkpoint(path / "checkpoints") if is_run else path
    if saved is None:
        runs = [above for above in path.parents[:2] if (above / "checkpoints").is_dir()]
        which = f"{runs[0]}, which is" if runs else "the --out-dir of"
        raise FileNotFoundError(
            f"{path} holds no checkpoint; name {which} a training run, or one of its folders "
            "checkpoints/step-..."
        )
    checkpoint = load_checkpoint(saved, ["ema"], ["config", "image_shape", "levels", "class_names"])
    if checkpoint.state.get("command") == "train_autoencoder":
        raise ValueError(
            f"{path} is a run of train_autoencoder, which draws no images; diffuse its latents "
            f"with `python -m ddpm_core.train --latent {path}`, and name that run"
        )
    config = from_json(TrainConfig, checkpoint.state["config"])
    shape, digest = checkpoint.state["image_shape"], checkpoint.state.get("autoencoder")
    run = path if is_run else path.absolute().parent.parent
    space = reopen_space(run, device, digest)
    network = build_network(config, shape[0], checkpoint.state["class_names"])
    network.load_state_dict(checkpoint.tensors["ema"])
    trained = Trained(
        run=run,
        step=checkpoint.step,
        config=config,
        network=network.to(device).eval(),
        schedule=build_schedule(config),
        image_shape=(shape[0], shape[1], shape[2]),
        grey_levels=checkpoint.state["levels"],
        class_names=tuple(checkpoint.state["class_names"]),
        watermark=watermark(checkpoint.state.get("authorizations", [])) or space.watermark,
        space=space,
        about=checkpoint.state,
    )
    return trained.marked(checkpoint.state.get("data_changes", []))
