"""Public names of ddpm-core. `__init__.py` reads this file to import each name on first use."""

from ._types import Denoiser as Denoiser
from ._types import Gaussian as Gaussian
from ._types import Prediction as Prediction
from .denoiser import ClipX0 as ClipX0
from .denoiser import NetworkDenoiser as NetworkDenoiser
from .forward_process import q_marginal as q_marginal
from .forward_process import q_sample as q_sample
from .forward_process import q_step as q_step
from .gaussian_path import GaussianPath as GaussianPath
from .gaussian_path import PathDenoiser as PathDenoiser
from .guidance import Guided as Guided
from .guidance import drop_labels as drop_labels
from .latent import LatentScale as LatentScale
from .latent import LatentSpace as LatentSpace
from .latent import autoencoder_loss as autoencoder_loss
from .latent import latent_bound as latent_bound
from .likelihood import bits_per_dim as bits_per_dim
from .likelihood import reverse_of as reverse_of
from .likelihood import vlb_terms as vlb_terms
from .losses import constant_weight as constant_weight
from .losses import l_simple as l_simple
from .losses import min_snr_weight as min_snr_weight
from .losses import prediction_target as prediction_target
from .networks.autoencoder import Autoencoder as Autoencoder
from .networks.unet import UNet as UNet
from .parameterization import convert as convert
from .posterior import q_posterior as q_posterior
from .probability_flow import flow_log_density as flow_log_density
from .samplers.ancestral import Ancestral as Ancestral
from .samplers.base import Snapshot as Snapshot
from .samplers.base import generate as generate
from .samplers.base import sampling_loop as sampling_loop
from .samplers.ddim import DDIM as DDIM
from .samplers.ddim import invert as invert
from .samplers.dpm_solver import DPMSolver as DPMSolver
from .samplers.heun import Heun as Heun
from .samplers.timestep_spacing import TIMESTEP_SPACINGS as TIMESTEP_SPACINGS
from .samplers.timestep_spacing import trailing as trailing
from .schedules import Schedule as Schedule
from .training.diffusion_config import TrainConfig as TrainConfig
from .training.diffusion_run import DiffusionTask as DiffusionTask
from .training.loop import training_loop as training_loop
from .training.state import TrainState as TrainState

__version__: str
