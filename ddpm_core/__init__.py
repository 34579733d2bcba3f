"""ddpm-core: denoising diffusion, proved before it is trained.

The public names, resolved on first use, so that a command's --help never imports torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ddpm_core._types import Denoiser as Denoiser
    from ddpm_core._types import Gaussian as Gaussian
    from ddpm_core._types import Prediction as Prediction
    from ddpm_core.denoiser import ClipX0 as ClipX0
    from ddpm_core.denoiser import NetworkDenoiser as NetworkDenoiser
    from ddpm_core.forward_process import q_marginal as q_marginal
    from ddpm_core.forward_process import q_sample as q_sample
    from ddpm_core.forward_process import q_step as q_step
    from ddpm_core.guidance import Guided as Guided
    from ddpm_core.guidance import drop_labels as drop_labels
    from ddpm_core.latent import LatentScale as LatentScale
    from ddpm_core.latent import LatentSpace as LatentSpace
    from ddpm_core.latent import autoencoder_loss as autoencoder_loss
    from ddpm_core.latent import latent_bound as latent_bound
    from ddpm_core.likelihood import bits_per_dim as bits_per_dim
    from ddpm_core.likelihood import reverse_of as reverse_of
    from ddpm_core.likelihood import vlb_terms as vlb_terms
    from ddpm_core.losses import constant_weight as constant_weight
    from ddpm_core.losses import l_simple as l_simple
    from ddpm_core.losses import min_snr_weight as min_snr_weight
    from ddpm_core.losses import prediction_target as prediction_target
    from ddpm_core.networks.autoencoder import Autoencoder as Autoencoder
    from ddpm_core.networks.unet import UNet as UNet
    from ddpm_core.parameterization import convert as convert
    from ddpm_core.posterior import q_posterior as q_posterior
    from ddpm_core.probability_flow import flow_log_density as flow_log_density
    from ddpm_core.samplers.ancestral import Ancestral as Ancestral
    from ddpm_core.samplers.base import Snapshot as Snapshot
    from ddpm_core.samplers.base import generate as generate
    from ddpm_core.samplers.base import sampling_loop as sampling_loop
    from ddpm_core.samplers.ddim import DDIM as DDIM
    from ddpm_core.samplers.ddim import invert as invert
    from ddpm_core.samplers.dpm_solver import DPMSolver as DPMSolver
    from ddpm_core.samplers.heun import Heun as Heun
    from ddpm_core.samplers.timestep_spacing import TIMESTEP_SPACINGS as TIMESTEP_SPACINGS
    from ddpm_core.samplers.timestep_spacing import trailing as trailing
    from ddpm_core.schedules import Schedule as Schedule

__version__ = "0.1.0"

_HOME = {
    "Ancestral": "samplers.ancestral",
    "Autoencoder": "networks.autoencoder",
    "ClipX0": "denoiser",
    "DDIM": "samplers.ddim",
    "DPMSolver": "samplers.dpm_solver",
    "Denoiser": "_types",
    "Gaussian": "_types",
    "Guided": "guidance",
    "Heun": "samplers.heun",
    "TIMESTEP_SPACINGS": "samplers.timestep_spacing",
    "LatentScale": "latent",
    "LatentSpace": "latent",
    "NetworkDenoiser": "denoiser",
    "Prediction": "_types",
    "Schedule": "schedules",
    "Snapshot": "samplers.base",
    "UNet": "networks.unet",
    "autoencoder_loss": "latent",
    "bits_per_dim": "likelihood",
    "constant_weight": "losses",
    "convert": "parameterization",
    "drop_labels": "guidance",
    "flow_log_density": "probability_flow",
    "invert": "samplers.ddim",
    "l_simple": "losses",
    "latent_bound": "latent",
    "min_snr_weight": "losses",
    "prediction_target": "losses",
    "q_marginal": "forward_process",
    "q_posterior": "posterior",
    "q_sample": "forward_process",
    "q_step": "forward_process",
    "generate": "samplers.base",
    "sampling_loop": "samplers.base",
    "reverse_of": "likelihood",
    "trailing": "samplers.timestep_spacing",
    "vlb_terms": "likelihood",
}

__all__ = [*_HOME, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'ddpm_core' has no attribute {name!r}")
    value = getattr(import_module(f"ddpm_core.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
