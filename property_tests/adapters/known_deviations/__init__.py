"""Known deviations of each release, measured against the suite's oracles.

No release is imported here, so the tables can be read without it. STEEP, GENTLE and PRODUCTION are
in `strategies.py`; GENTLE starts with beta_1 = 1e-4.
"""

from .of_azula import AZULA as AZULA
from .of_denoising_diffusion_pytorch import (
    DENOISING_DIFFUSION_PYTORCH as DENOISING_DIFFUSION_PYTORCH,
)
from .of_diffusers import DIFFUSERS as DIFFUSERS
