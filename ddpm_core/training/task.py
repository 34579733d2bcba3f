"""The interface between a run and the network that it trains."""

from pathlib import Path
from typing import Protocol, runtime_checkable

from ddpm_core.data.dataset import Dataset
from ddpm_core.data.space import Space
from ddpm_core.gate.authorization import Authorization
from ddpm_core.training.run_config import RunConfig
from ddpm_core.training.state import TrainState


@runtime_checkable
class Task(Protocol):
    """A network to train: its data, its optimizer step and its previews."""

    @property
    def command(self) -> str:
        """Name of the command that trains it."""
        ...

    @property
    def suffix(self) -> str:
        """Suffix of the default run directory."""
        ...

    @property
    def config(self) -> RunConfig:
        """The options of the run."""
        ...

    @property
    def state(self) -> TrainState:
        """The state of training."""
        ...

    @property
    def images(self) -> Dataset:
        """The images as they were read."""
        ...

    @property
    def dataset(self) -> Dataset:
        """What the network sees: the images, or their latents."""
        ...

    @property
    def space(self) -> Space:
        """The space of `dataset`."""
        ...

    @property
    def authorization(self) -> Authorization:
        """How the gate admitted the run."""
        ...

    def step(self, step: int) -> dict[str, float]:
        """Take optimizer step `step` = 0, 1, ... and return its losses by name, "loss" first."""
        ...

    def preview(self, folder: Path, step: int, watermark: str | None) -> dict[str, object]:
        """Draw what was learned into the run's folder; return what was measured, a metrics row."""
        ...

    def conclude(self, folder: Path, step: int, watermark: str | None) -> str:
        """Measure what is measured once, at the end, and return it in a sentence."""
        ...

    def is_complete(self, folder: Path) -> bool:
        """Return whether the folder holds everything that a finished run leaves."""
        ...

    def describe(self) -> str:
        """Describe the network in one line of the plan."""
        ...
