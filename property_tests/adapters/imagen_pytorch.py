"""lucidrains' Imagen-pytorch: GaussianDiffusionContinuousTimes, in float32.

Its times are real numbers whose log-SNR is a function, which is replaced by a table that the
suite's oracle rounds once; so timesteps keep their numbers. Its p_sample clips every prediction,
so that only the posterior that it samples from is tested. Its schedules are functions of a
continuous time, also at t = 0, and not products of 1 - beta_t, so that they are not compared.
"""

import warnings
from pathlib import Path

import torch

from ..oracles import schedules
from ..oracles.exact import mp, mpf
from ..protocol import Array, Betas, Gaussian, Times
from .stand_ins import replace, stand_in
from .tensors import FLOAT32, array, tensor

# For networks, texts and images, which the functions tested here do not use.
stand_in("torchvision", "transforms")
stand_in("torchvision.transforms")
stand_in("torchvision.utils")
stand_in("kornia")
stand_in("kornia.augmentation")
stand_in("transformers", "logging", "T5Tokenizer", "T5EncoderModel", "T5Config")
stand_in("datasets", "load_dataset", "concatenate_datasets")
stand_in("datasets.utils")
stand_in("datasets.utils.file_utils", "get_datasets_user_agent")
replace(
    "imagen_pytorch.configs",
    "UnetConfig",
    "ImagenConfig",
    "ElucidatedImagenConfig",
    "ImagenTrainerConfig",
)
stand_in("pytorch_warmup")
stand_in("accelerate", "Accelerator", "DistributedType", "DistributedDataParallelKwargs")
stand_in("ema_pytorch", "EMA")

with warnings.catch_warnings():  # it uses a deprecated compiler
    warnings.simplefilter("ignore", DeprecationWarning)
    from imagen_pytorch import imagen_pytorch as release
    from imagen_pytorch.version import __version__


class ImagenPytorch:
    """GaussianDiffusionContinuousTimes; see `protocol.Implementation`."""

    name = f"imagen-pytorch {__version__}"
    unit_roundoff = FLOAT32
    deviations = Path(__file__).with_suffix(".toml")

    def q_sample(self, betas: Betas, x_0: Array, t: Times, noise: Array) -> Array:
        x_t, *_ = _diffusion(betas).q_sample(tensor(x_0), torch.from_numpy(t), tensor(noise))
        return array(x_t)

    def q_step(self, betas: Betas, x_s: Array, s: Times, t: Times) -> Gaussian:
        """Return a step without noise, and the square of a step from 0 with noise 1."""
        x, times = tensor(x_s), (torch.from_numpy(s), torch.from_numpy(t))
        step, zero = _diffusion(betas).q_sample_from_to, torch.zeros_like(x)
        mean, deviation = step(x, *times, zero), step(zero, *times, torch.ones_like(x))
        return Gaussian(array(mean), array(deviation.square()))

    def q_posterior(self, betas: Betas, x_0: Array, x_t: Array, s: Times, t: Times) -> Gaussian:
        x, ends = tensor(x_t), {"t_next": torch.from_numpy(s)}
        mean, variance, _ = _diffusion(betas).q_posterior(
            tensor(x_0), x, torch.from_numpy(t), **ends
        )
        return Gaussian(array(mean), array(variance.expand(x.shape)))

    def convert(
        self, betas: Betas, source: str, target: str, value: Array, x_t: Array, t: Times
    ) -> Array:
        if target != "x0" or source not in ("eps", "v"):
            raise NotImplementedError(f"Imagen does not convert {source} to {target}")
        diffusion, given = _diffusion(betas), (tensor(x_t), torch.from_numpy(t), tensor(value))
        if source == "v":
            return array(diffusion.predict_start_from_v(*given))
        return array(diffusion.predict_start_from_noise(*given))


def _diffusion(betas: Betas) -> release.GaussianDiffusionContinuousTimes:
    diffusion = release.GaussianDiffusionContinuousTimes(
        noise_schedule="cosine", timesteps=len(betas)
    )
    alpha_bar = schedules.from_betas(betas)
    noisy = range(1, len(alpha_bar))
    logs = [mp.inf, *(schedules.log_snr(alpha_bar, t) for t in noisy)]
    table = torch.tensor([float(mpf(each)) for each in logs], dtype=torch.float32)

    def log_snr(t: torch.Tensor) -> torch.Tensor:
        if ((t < 0) | (t >= len(table))).any():
            raise NotImplementedError("Imagen has continuous time, so no timestep is invalid")
        return table[t]

    diffusion.log_snr = log_snr
    return diffusion
