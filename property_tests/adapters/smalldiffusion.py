"""smalldiffusion: noise schedules, training losses and its sampler, in float32.

Its schedules are tables of sigma_t, the root of (1 - alpha_bar_t) / alpha_bar_t, and its states
are x_t divided by the root of alpha_bar_t. The model modifier Scaled gives a network the paper's
x_t. States of the protocol are converted by its own function `alpha`, which is alpha_bar_t of
sigma_t. Its spacing ends at the sigma of t = 1 and not at data, so that it is not compared.
"""

from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from ..protocol import Array, Betas, Draw, SamplingSpec, Times
from .stand_ins import stand_in
from .tensors import FLOAT32, array, row, tape, tensor

stand_in("accelerate", "Accelerator")  # for training loops, which are not run here
stand_in("torchvision", "transforms")  # for data sets of images

# It is imported after the stand-ins for its dependencies.
from smalldiffusion import diffusion as release  # noqa: E402
from smalldiffusion.model import ModelMixin, PredV, PredX0, Scaled, alpha  # noqa: E402

SCHEDULES = {"linear": release.ScheduleDDPM, "cosine": release.ScheduleCosine}
MU = {"ddim": 0.0, "fixed_small": 0.5}  # of its sampler: DDIM and DDPM


class _Network(torch.nn.Module, ModelMixin):  # type: ignore[misc]
    """A network from a function of its input and sigma."""

    def __init__(self, output: Any, event: tuple[int, ...] = ()) -> None:
        super().__init__()
        self.output, self.input_dims = output, event

    def forward(self, x: torch.Tensor, sigma: torch.Tensor, cond: None = None) -> torch.Tensor:
        return self.output(x, sigma)


MODELS = {"eps": _Network, "x0": PredX0(_Network), "v": PredV(_Network)}


class Smalldiffusion:
    """Schedules, losses and `samples`; see `protocol.Implementation`."""

    name = f"smalldiffusion {version('smalldiffusion')}"
    unit_roundoff = FLOAT32
    deviations = Path(__file__).with_suffix(".toml")

    def alpha_bar(self, betas: Betas) -> Array:
        return array(alpha(_sigmas(betas)))

    def schedule(self, name: str, T: int) -> Array:
        return array(alpha(_with_data(SCHEDULES[name](T).sigmas)))

    def q_sample(self, betas: Betas, x_0: Array, t: Times, noise: Array) -> Array:
        """Return the input of the network in its loss."""
        inputs: list[torch.Tensor] = []

        def network(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
            inputs.append(x)
            return x

        model = Scaled(_Network)(network)
        model.get_loss(tensor(x_0), _axes(release.Schedule(_sigmas(betas))[t], x_0), tensor(noise))
        return array(inputs[0])

    def target(self, betas: Betas, name: str, x_0: Array, noise: Array, t: Times) -> Array:
        """Return the target that `get_loss` passes to the error."""
        if name not in MODELS:
            raise NotImplementedError(f"smalldiffusion has no prediction of the {name}")
        targets: list[torch.Tensor] = []
        model = MODELS[name](lambda x, sigma: x)
        sigma = _axes(release.Schedule(_sigmas(betas))[t], x_0)
        error = lambda: lambda target, prediction: targets.append(target)  # noqa: E731
        model.get_loss(tensor(x_0), sigma, tensor(noise), loss=error)
        return array(targets[0])

    def loss(self, prediction: Array, target: Array) -> Array:
        """Return the loss of each sample as that of a batch of one."""
        found = []
        for i in range(len(target)):
            model = _Network(lambda x, sigma, i=i: tensor(row(prediction, i)))
            noise = tensor(row(target, i))
            found.append(model.get_loss(torch.zeros_like(noise), torch.ones(()), noise))
        return array(torch.stack(found))

    def training_draw(self, betas: Betas, x_0: Array, seed: int) -> Draw:
        sigmas, inputs = _sigmas(betas), []
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            schedule = release.Schedule(sigmas[1:])
            data, sigma, noise, _ = release.generate_train_sample(tensor(x_0), schedule)
        Scaled(_Network)(lambda x, sigma: inputs.append(x) or x).get_loss(data, sigma, noise)
        timesteps = _timesteps(sigmas)
        t = np.array([timesteps[each] for each in sigma.flatten().tolist()])
        return Draw(t, array(noise), array(inputs[0]))

    def reverse_step(
        self, betas: Betas, variance: str, x0_hat: Array, x_t: Array, s: int, t: int, noise: Array
    ) -> Array:
        return self.sample(SamplingSpec(betas, variance, (t, s), lambda x, t: x0_hat), x_t, [noise])

    def ddim_step(
        self, betas: Betas, eta: float, x0_hat: Array, x_t: Array, s: int, t: int, noise: Array
    ) -> Array:
        spec = SamplingSpec(betas, "ddim", (t, s), lambda x, t: x0_hat, eta)
        return self.sample(spec, x_t, [noise])

    def sample(self, spec: SamplingSpec, x_T: Array, noises: list[Array]) -> Array:
        """Sample along these timesteps; the sigma of data is 0. The last step draws noise, too."""
        with tape([tensor(each) for each in noises], "randn"):
            return _run(spec, tensor(x_T))

    def draw_samples(self, spec: SamplingSpec, shape: tuple[int, ...], seed: int) -> Array:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return _run(spec, torch.randn(shape))


def _run(spec: SamplingSpec, x: torch.Tensor) -> Array:
    if spec.zero_terminal or spec.sampler not in MU or spec.eta not in (0.0, 1.0):
        raise NotImplementedError("`samples` is DDPM, or DDIM with eta = 0")
    sigmas = _sigmas(spec.betas)
    units, timesteps = alpha(sigmas).sqrt(), _timesteps(sigmas)

    def network(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        return tensor(spec.denoiser(array(x), timesteps[float(sigma)]))

    first, *_, last = spec.times
    *_, x = release.samples(
        Scaled(PredX0(_Network))(network, x.shape[1:]),
        sigmas[list(spec.times)],
        mu=MU["fixed_small"] if spec.eta else MU[spec.sampler],
        xt=torch.div(x, units[first]),
        batchsize=len(x),
        accelerator=SimpleNamespace(device="cpu"),
    )
    return array(torch.mul(x, units[last]))


def _sigmas(betas: Betas) -> torch.Tensor:
    return _with_data(release.sigmas_from_betas(torch.tensor(betas)))


def _with_data(sigmas: torch.Tensor) -> torch.Tensor:
    return torch.cat([torch.zeros(1), sigmas])


def _timesteps(sigmas: torch.Tensor) -> dict[float, int]:
    return {sigma: t for t, sigma in enumerate(sigmas.tolist())}


def _axes(sigma: torch.Tensor, like: Array) -> torch.Tensor:
    return sigma.reshape(len(like), *[1 for _ in like.shape[1:]])
