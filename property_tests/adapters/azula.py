"""azula: DDPM and DDIM samplers, denoisers, ADM schedules and sine encoding, in float64.

Its timesteps are continuous and its samplers take any schedule of (alpha_t, sigma_t), where
alpha_t^2 is the paper's alpha_bar_t. A discrete schedule is a VPSchedule with alpha_t from a table
that the suite's oracle rounds once; sigma_t is computed by VPSchedule. If the protocol gives the
noise, `torch.randn_like` is patched, because no argument takes it.
"""

from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from azula.denoise import Denoiser, DiracPosterior, SimpleDenoiser
from azula.nn.layers import SineEncoding
from azula.noise import Schedule, VPSchedule
from azula.sample import DDIMSampler, DDPMSampler, Sampler

from ..oracles import exact
from ..protocol import Array, Betas, GaussianPath, Layout, Process, SamplingSpec, Times
from .stand_ins import stand_in

stand_in("gdown")  # used by the plugins to download weights, which this suite does not need
# The VDM plugin's networks resize images with it; its denoiser does not.
stand_in("torchvision")
stand_in("torchvision.transforms", "functional")
# It is imported after the stand-ins for its dependencies.
from azula.plugins.adm import AblatedDenoiser  # noqa: E402
from azula.plugins.vdm import VelocityDenoiser  # noqa: E402

OF_A_NETWORK = {"eps": AblatedDenoiser, "v": VelocityDenoiser}


class Azula:
    """DDPMSampler and related functions; see `protocol.Implementation`."""

    name = f"azula {version('azula')}"
    unit_roundoff = float(np.finfo(np.float64).epsneg)
    deviations = Path(__file__).with_suffix(".toml")

    def q_sample(self, betas: Process, x_0: Array, t: Times, noise: Array) -> Array:
        """Return the input that SimpleDenoiser.loss passes to its network."""
        denoiser = _Recorder(torch.nn.Identity(), _schedule(betas))
        with mock.patch("torch.randn_like", return_value=_tensor(noise)):
            denoiser.loss(_tensor(x_0), torch.tensor(t))
        return denoiser.x_t.numpy()

    def convert(
        self, betas: Betas, source: str, target: str, value: Array, x_t: Array, t: Times
    ) -> Array:
        """Return the mean of the ADM plugin's denoiser for eps, of the VDM plugin's for v."""
        if target != "x0" or source not in OF_A_NETWORK:
            raise NotImplementedError(f"azula has no denoiser that converts {source} to {target}")
        denoiser = OF_A_NETWORK[source](
            _Constant(_tensor(value)), schedule=_TableSchedule(betas)
        ).double()
        return denoiser(_tensor(x_t), torch.tensor(t)).mean.numpy()

    def reverse_step(
        self, betas: Betas, variance: str, x0_hat: Array, x_t: Array, s: int, t: int, noise: Array
    ) -> Array:
        return self.sample(SamplingSpec(betas, variance, (t, s), lambda x, t: x0_hat), x_t, [noise])

    def ddim_step(
        self, betas: Betas, eta: float, x0_hat: Array, x_t: Array, s: int, t: int, noise: Array
    ) -> Array:
        return self.sample(
            SamplingSpec(betas, "ddim", (t, s), lambda x, t: x0_hat, eta), x_t, [noise]
        )

    def sample(self, spec: SamplingSpec, x_T: Array, noises: list[Array]) -> Array:
        """Sample; the step to data also draws noise, with scale 0, for which x_T is passed."""
        remaining = [_tensor(each) for each in reversed([*noises, x_T])]
        with mock.patch("torch.randn_like", side_effect=lambda x: remaining.pop()):
            return _run(_sampler(spec), spec, _tensor(x_T))

    def path_sample(self, path: GaussianPath, x_0: Array, t: Times, noise: Array) -> Array:
        return self.q_sample(path, x_0, t, noise)

    def path_run(self, spec: SamplingSpec, x_T: Array, noises: list[Array]) -> Array:
        return self.sample(spec, x_T, noises)

    def draw_samples(self, spec: SamplingSpec, shape: tuple[int, ...], seed: int) -> Array:
        sampler = _sampler(spec)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return _run(sampler, spec, sampler.init(shape))

    def schedule(self, name: str, T: int) -> Array:
        """Return the ADM plugin's alpha_bar, recorded from its call of cumprod."""
        products: list[torch.Tensor] = []
        cumprod = torch.cumprod

        def recording(factors: torch.Tensor, dim: int) -> torch.Tensor:
            products.append(cumprod(factors, dim))
            return products[-1]

        with mock.patch("torch.cumprod", recording):
            AblatedDenoiser(torch.nn.Identity(), discrete_schedule=name, discrete_steps=T)
        return torch.cat([torch.ones(1), *products]).numpy()

    def embedding(self, t: Times, width: int) -> Array:
        return SineEncoding(width)(torch.tensor(t, dtype=torch.float64)).numpy()

    def embedding_layout(self) -> Layout:
        """Return the layout in the docstring of SineEncoding."""
        return Layout(interleaved=True, max_period=10_000)


class _TableSchedule(VPSchedule):
    """VPSchedule without its minimum noise, and with alpha_t from a table."""

    def __init__(self, betas: Betas) -> None:
        super().__init__(sigma_min=0.0)
        scales = [float(exact.kernel(betas, 0, t).scale) for t in range(len(betas) + 1)]
        self.table = torch.tensor(scales, dtype=torch.float64)

    def alpha(self, t: torch.Tensor) -> torch.Tensor:
        timestep = t.long()
        if ((timestep < 0) | (timestep >= len(self.table))).any():
            raise NotImplementedError("azula has continuous time, so no timestep is invalid")
        return self.table[timestep]


class _PathSchedule(Schedule):
    """Any path: alpha_t and sigma_t from its two tables."""

    def __init__(self, path: GaussianPath) -> None:
        tables = torch.tensor([path.alpha, path.sigma], dtype=torch.float64)
        self.alpha, self.sigma = tables

    def __call__(self, t: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.alpha[t.long()], self.sigma[t.long()]


def _schedule(process: Process) -> Schedule:
    made = _PathSchedule if isinstance(process, GaussianPath) else _TableSchedule
    return made(process)


class _Recorder(SimpleDenoiser):
    """A denoiser that records the x_t of its loss."""

    def forward(self, x_t: torch.Tensor, t: torch.Tensor) -> DiracPosterior:
        self.x_t = x_t
        return DiracPosterior(x_t)


class _Constant(torch.nn.Module):
    """A network with a constant output; the buffer sets azula's precision."""

    def __init__(self, value: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("value", value)

    def forward(self, *arguments: torch.Tensor, **named: object) -> torch.Tensor:
        return self.value


class _Mean(Denoiser):
    """E[x_0 | x_t] from a function on arrays."""

    def __init__(self, spec: SamplingSpec) -> None:
        super().__init__()
        self.schedule, self.mean = _schedule(spec.betas), spec.denoiser

    def forward(self, x_t: torch.Tensor, t: torch.Tensor) -> DiracPosterior:
        return DiracPosterior(_tensor(self.mean(x_t.numpy(), int(t))))


def _sampler(spec: SamplingSpec) -> Sampler:
    given = {"start": spec.times[0], "dtype": torch.float64}
    if spec.zero_terminal:
        raise NotImplementedError("azula does not rescale a schedule")
    if spec.sampler == "ddim":
        if spec.eta not in (0.0, 1.0):
            raise NotImplementedError("its eta is the square of that of Song et al. (2021)")
        return DDIMSampler(_Mean(spec), spec.eta, **given)
    if spec.sampler != "fixed_small":
        raise NotImplementedError(f"azula has no {spec.sampler}: DDPMSampler is fixed_small")
    return DDPMSampler(_Mean(spec), **given)


def _run(sampler: Sampler, spec: SamplingSpec, x: torch.Tensor) -> Array:
    for t, s in pairwise(spec.times):
        x = sampler.step(x, torch.tensor(t), torch.tensor(s))
    return x.numpy()


def _tensor(array: Array) -> torch.Tensor:
    return torch.tensor(array, dtype=torch.float64)
