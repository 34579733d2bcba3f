"""TorchDiff: forward and reverse processes of its DDPM and DDIM, in float32.

It counts timesteps from 0: timestep t is its index t - 1. The betas replace those of its linear
schedule. Its samplers draw images with `torch.randn` and `torch.randn_like`, which are patched if
the protocol gives the noise; they clip images only, to a range that is infinite here.
"""

from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch

from ..protocol import ANCESTRAL, Array, Betas, Gaussian, SamplingSpec, Step, Times
from .stand_ins import replace, stand_in
from .steps import ByFirstStep
from .tensors import (
    FLOAT32,
    array,
    event,
    every_timestep,
    image,
    index,
    no_progress_bar,
    only_one_step,
    tape,
    tensor,
    times_of,
)

# For networks, texts and metrics, which the functions tested here do not use.
stand_in("torchvision")
stand_in("torchvision.utils", "save_image")
stand_in("torchmetrics")
stand_in("torchmetrics.image")
stand_in("torchmetrics.image.lpip", "LearnedPerceptualImagePatchSimilarity")
replace("pytorch_fid", "fid_score")
stand_in("transformers", "BertModel", "BertTokenizer", "CLIPModel", "CLIPProcessor")

# It is imported after the stand-ins for its dependencies.
from torchdiff import ddim, ddpm  # noqa: E402
from torchdiff.utils import mse_loss  # noqa: E402

PREDICTIONS = {"eps": "noise", "x0": "x0", "v": "v"}
EVERY_IMAGE = (float("-inf"), float("inf"))


class Torchdiff(ByFirstStep):
    """DDPM and DDIM without clipping; see `protocol.Implementation`."""

    name = f"TorchDiff {version('torchdiff')}"
    unit_roundoff = FLOAT32
    deviations = Path(__file__).with_suffix(".toml")

    def alpha_bar(self, betas: Betas) -> Array:
        return _table(_scheduler(betas))

    def q_sample(self, betas: Betas, x_0: Array, t: Times, noise: Array) -> Array:
        x_t, _ = ddpm.ForwardDDPM(_scheduler(betas))(tensor(x_0), index(t), tensor(noise))
        return array(x_t)

    def q_posterior(self, betas: Betas, x_0: Array, x_t: Array, s: Times, t: Times) -> Gaussian:
        """Return the mean as a step without noise, and the variance that its noise would have."""
        only_one_step((s != t - 1).any())
        reverse, at, x = _reverse(betas), index(t), tensor(x_t)
        with tape([torch.zeros_like(x)], "randn_like"):
            mean, _ = reverse(x, tensor(x_0), at)
        var = reverse.vs.get_index(reverse.get_variance(at), x.shape)
        return Gaussian(array(mean), array(var.expand(x.shape)))

    def convert(
        self, betas: Betas, source: str, target: str, value: Array, x_t: Array, t: Times
    ) -> Array:
        """Convert by predict_x0 and predict_noise; v is the target of x_0 and eps."""
        if "score" in (source, target) or source == target:
            raise NotImplementedError(f"TorchDiff does not convert {source} to {target}")
        reverse, x, at = _reverse_ddim(betas, prediction=source), tensor(x_t), index(t)
        x_0 = reverse.predict_x0(x, at, tensor(value))
        if target == "x0":
            return array(x_0)
        eps = tensor(value) if source == "eps" else reverse.predict_noise(x, at, x_0)
        return array(eps) if target == "eps" else self.target(betas, "v", array(x_0), array(eps), t)

    def target(self, betas: Betas, name: str, x_0: Array, noise: Array, t: Times) -> Array:
        if name not in PREDICTIONS:
            raise NotImplementedError(f"TorchDiff has no prediction of the {name}")
        forward = ddpm.ForwardDDPM(_scheduler(betas), PREDICTIONS[name])
        return array(forward(tensor(x_0), index(t), tensor(noise))[1])

    def loss(self, prediction: Array, target: Array) -> Array:
        """Return the loss of each sample as that of a batch of one."""
        pairs = zip(tensor(prediction), tensor(target), strict=True)
        return array(torch.stack([mse_loss(*pair) for pair in pairs]))

    def first_step(self, spec: SamplingSpec, x_t: Array, s: int, t: int, noise: Array) -> Step:
        if spec.zero_terminal:
            raise NotImplementedError("TorchDiff does not rescale a schedule")
        x, x0_hat = tensor(x_t), tensor(spec.denoiser(x_t, t))
        low, high = (index(np.full(len(x), each)) for each in (s or 1, t))
        with tape([tensor(noise)], "randn_like"):
            if spec.sampler in ANCESTRAL:
                only_one_step(s != t - 1)
                return Step(*map(array, _reverse(spec.betas, spec.sampler)(x, x0_hat, high)))
            if spec.sampler != "ddim" or s == 0:
                raise NotImplementedError("of solvers it has DDIM, whose steps end above the data")
            return Step(*map(array, _reverse_ddim(spec.betas, spec.eta)(x, high, low, x0_hat)))

    def sample(self, spec: SamplingSpec, x_T: Array, noises: list[Array]) -> Array:
        sampler, reverse = _sampler(spec)
        with tape([image(x_T)], "randn"), tape([image(each) for each in noises], "randn_like"):
            return _sampled(sampler, reverse, _Net(spec, x_T.shape))

    def draw_samples(self, spec: SamplingSpec, shape: tuple[int, ...], seed: int) -> Array:
        sampler, reverse = _sampler(spec)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return _sampled(sampler, reverse, _Net(spec, shape))

    def own_timesteps(self, betas: Betas, sampler: str, steps: int) -> tuple[int, ...]:
        """Return the timesteps at which the network is evaluated."""
        if sampler != "ddim":
            raise NotImplementedError("only DDIM has fewer steps than timesteps")
        return _visited(betas, steps)

    def timestep_spacing(
        self, name: str, betas: Betas, steps: int, zero_terminal: bool = False
    ) -> tuple[int, ...]:
        """Return the timesteps of the scheduler, strides above the first, with the data."""
        if name != "leading" or zero_terminal:
            raise NotImplementedError("the only spacing is leading, without zero terminal SNR")
        return times_of(_reverse_ddim(betas, steps=steps).vs.inference_timesteps.flip(0))

    def schedule(self, name: str, T: int) -> Array:
        """Return it with the limits of the betas of Nichol and Dhariwal (2021)."""
        return _table(ddpm.SchedulerDDPM(name, T, clip_min=0.0, clip_max=0.999))


class _Net(torch.nn.Module):  # type: ignore[misc]
    """A network from a function of states and timesteps; its evaluations are recorded."""

    def __init__(self, spec: SamplingSpec, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.spec, self.shape, self.indices = spec, shape, []

    def forward(self, x: torch.Tensor, at: torch.Tensor, *given: Any, **named: Any) -> torch.Tensor:
        self.indices.append(at[0])
        return image(self.spec.denoiser(event(x, self.shape), int(at[0]) + 1))


def _scheduler(betas: Betas) -> ddpm.SchedulerDDPM:
    with mock.patch("torch.linspace", return_value=torch.tensor(betas)):
        return ddpm.SchedulerDDPM(time_steps=len(betas))


def _table(scheduler: ddpm.SchedulerDDPM) -> Array:
    """Return alpha_bar; the first entry of its table of alpha_bar_{t-1} is that of data."""
    return array(torch.cat([scheduler.alphas_cumprod_prev[:1], scheduler.alphas_cumprod]))


def _reverse(betas: Betas, variance: str = "fixed_small") -> ddpm.ReverseDDPM:
    return ddpm.ReverseDDPM(_scheduler(betas), "x0", variance, clip_out=False)


def _reverse_ddim(
    betas: Betas, eta: float = 0.0, steps: int | None = None, prediction: str = "x0"
) -> ddim.ReverseDDIM:
    with mock.patch("torch.linspace", return_value=torch.tensor(betas)):
        scheduler = ddim.SchedulerDDIM(train_steps=len(betas), sample_steps=steps)
    return ddim.ReverseDDIM(scheduler, PREDICTIONS[prediction], eta, clip_=False)


def _sampler(spec: SamplingSpec) -> tuple[Any, torch.nn.Module]:
    """Return its sampler and reverse process, if its timesteps are those of the spec."""
    if spec.zero_terminal:
        raise NotImplementedError("TorchDiff does not rescale a schedule")
    if spec.sampler in ANCESTRAL:
        only_one_step(spec.times != every_timestep(len(spec.betas)))
        return ddpm.SampleDDPM, _reverse(spec.betas, spec.sampler)
    if spec.sampler != "ddim":
        raise NotImplementedError(f"TorchDiff has no {spec.sampler}")
    for steps in (len(spec.times), len(spec.times[1:])):  # one of its timesteps is the last state
        if _visited(spec.betas, steps) == spec.times:
            return ddim.SampleDDIM, _reverse_ddim(spec.betas, spec.eta, steps)
    raise NotImplementedError("DDIM takes no list of timesteps, only their number")


def _visited(betas: Betas, steps: int) -> tuple[int, ...]:
    if steps > len(betas):
        raise NotImplementedError("more steps than timesteps")
    net = _Net(SamplingSpec(betas, "ddim", (), lambda x, t: x), (1, 1))
    with torch.random.fork_rng():
        _sampled(ddim.SampleDDIM, _reverse_ddim(betas, steps=steps), net)
    return times_of(net.indices)


def _sampled(sampler: Any, reverse: torch.nn.Module, net: _Net) -> Array:
    batch, *_, elements = image(np.empty(net.shape)).shape
    module = sampler.__module__
    with mock.patch(f"{module}.BertTokenizer"), mock.patch(f"{module}.tqdm", no_progress_bar):
        sample = sampler(
            reverse,
            net,
            (1, elements),
            batch_size=batch,
            in_channels=1,
            device="cpu",
            norm_range=EVERY_IMAGE,
        )
        return event(sample(norm_output=False, save_imgs=False), net.shape)
