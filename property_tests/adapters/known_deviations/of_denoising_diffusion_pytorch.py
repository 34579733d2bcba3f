"""Known deviations of denoising-diffusion-pytorch."""

from ...protocol import Deviation
from .checks import CONVERSION, EMBEDDING, REFUSED, ROUND_TRIP, SAMPLES, STEP, TIMESTEP_ZERO

LUCIDRAINS = "denoising-diffusion-pytorch 2.3.4, denoising_diffusion_pytorch.py, "
CLIPS = "p_sample clips x_0 to [-1, 1], without an argument to disable it."
REDERIVED = "The noise for v is recomputed from x_0, which cancels for alpha_bar_t near 1."

DENOISING_DIFFUSION_PYTORCH: dict[str, Deviation] = {
    TIMESTEP_ZERO: Deviation(
        "There is no timestep for data: torch.gather refuses index -1.",
        "RuntimeError at t = 0",
        LUCIDRAINS + "extract",
    ),
    f"{CONVERSION}[v-eps]": Deviation(
        REDERIVED,
        "4.8e-4 of the coefficient of x_t at t = 1 of GENTLE",
        LUCIDRAINS + "GaussianDiffusion.model_predictions",
    ),
    f"{ROUND_TRIP}[eps-v]": Deviation(
        REDERIVED,
        "eps = 0 at x_t = 3 comes back as -2.4e-5 at t = 1 of GENTLE",
        LUCIDRAINS + "GaussianDiffusion.model_predictions",
    ),
    f"{ROUND_TRIP}[v-eps]": Deviation(
        REDERIVED,
        "5.8e-6 at t = 1 of GENTLE with v = x_t = 1",
        LUCIDRAINS + "GaussianDiffusion.model_predictions",
    ),
    f"{STEP}[one step-fixed_small]": Deviation(
        CLIPS, "x_0 = -1.25 comes back as -1 at t = 1", LUCIDRAINS + "GaussianDiffusion.p_sample"
    ),
    f"{SAMPLES}[(4, 3, 2, 1, 0)-fixed_small]": Deviation(
        CLIPS,
        "for Gaussian data the marginal variances are 0.04 to 0.47 times the exact ones on STEEP",
        LUCIDRAINS + "GaussianDiffusion.p_sample",
    ),
    "test_timestep_spacing.py::test_trailing_timesteps_are_even_from_zero": Deviation(
        "DDIM truncates the evenly spaced timesteps to integers instead of rounding them.",
        "up to 0.86 of a timestep too low at T = 1000 with 7 steps",
        LUCIDRAINS + "GaussianDiffusion.ddim_sample",
    ),
    EMBEDDING: Deviation(
        "Frequencies fall to 1 / theta, as in the code of Ho et al. (2020): half - 1 intervals.",
        "ZeroDivisionError at width 2; at width 8 the second frequency is 0.046 instead of 0.1",
        LUCIDRAINS + "SinusoidalPosEmb.forward",
    ),
    REFUSED: Deviation(
        "The end points are scaled by 1000 / T for any T, without a check of the result.",
        "no error: at T = 10 beta_T is 2, and q_sample is NaN at t = 6, 8 and 10",
        LUCIDRAINS + "linear_beta_schedule; see imagen-pytorch issue #161",
    ),
}
