"""What diffusers does otherwise."""

from ...protocol import Deviation
from .checks import (
    BAYES,
    CHAIN,
    CLOCK,
    CONVERSION,
    DDIM_STEP,
    FROM_NOISE,
    LAW,
    LEFT,
    LEVEL_ZERO,
    LINEAR,
    N_STEPS,
    NEXT,
    REFUSED,
    ROTATION,
    ROWS,
    SAMPLE,
    SHIPPED,
    STEP,
    UNCHANGED,
)

SCHEDULERS = "diffusers 0.42.1, schedulers/"
DDPM = SCHEDULERS + "scheduling_ddpm.py, "
TRAINING = "diffusers 0.42.1, training_utils.py, "
UNSCALED = (
    "The end points 1e-4 and 0.02 are used at every T, unscaled: a short chain ends far from noise."
)
FINAL_NOISE = (
    "A step to data from an index above 0 still adds noise, of the variance 1 - alpha_bar_t."
)
FLOAT32_TABLE = (
    "1 - alpha_bar_t is subtracted from a float32 table, which has lost its digits there."
)
FLOAT32_COSINE = "alpha_bar_t is a product of 1 - beta_t with beta_t, near 0.999, kept in float32."
NO_DATA = "Level 0 is index -1 of the table, which is the noisiest level."


TINY_BETA = Deviation(
    FLOAT32_TABLE, "variance and mean are NaN at beta_1 = 2^-40", DDPM + "DDPMScheduler.step"
)


def _float32_step(effect: str) -> Deviation:
    return Deviation(FLOAT32_TABLE, effect, DDPM + "DDPMScheduler.step")


def _unscaled(T: int, alpha_bar: str, right: str) -> Deviation:
    effect = f"alpha_bar_T is {alpha_bar} at T = {T}; of the rescaled schedule it is {right}"
    return Deviation(UNSCALED, effect, DDPM + "DDPMScheduler.__init__; see PR #12341")


def _float32_cosine(T: int, error: str) -> Deviation:
    effect = f"alpha_bar_T is off by {error} of its value at t = T = {T}"
    return Deviation(FLOAT32_COSINE, effect, DDPM + "betas_for_alpha_bar")


def _ddim_digits(eta: float, effect: str) -> tuple[str, Deviation]:
    where = "scheduling_ddim.py, DDIMScheduler.step"
    return f"{DDIM_STEP}[one step-{eta}]", Deviation(FLOAT32_TABLE, effect, SCHEDULERS + where)


def _stride(effect: str) -> Deviation:
    return Deviation(
        "A step goes T // steps levels down, whatever the next of its timesteps is.",
        effect,
        SCHEDULERS + "scheduling_ddim.py, DDIMScheduler.step (prev_timestep)",
    )


def _final_noise(effect: str) -> Deviation:
    return Deviation(FINAL_NOISE, effect, DDPM + "DDPMScheduler.step (if t > 0)")


DIFFUSERS: dict[str, Deviation] = {
    f"{UNCHANGED}[q_posterior]": TINY_BETA,
    f"{ROWS}[q_posterior]": TINY_BETA,
    f"{LINEAR}[q_posterior-2.0]": TINY_BETA,
    f"{LINEAR}[q_posterior--0.5]": TINY_BETA,
    f"{CLOCK}[q_sample--1]": Deviation(
        "t = -1 is index -2, which wraps around to the last level but one.",
        "x_t of STEEP is 0.561 x_0 + 0.828 noise, as at t = 3",
        DDPM + "DDPMScheduler.add_noise",
    ),
    LEVEL_ZERO: Deviation(
        NO_DATA,
        "x_t of STEEP at t = 0 is 0.251 x_0 + 0.968 noise instead of x_0",
        DDPM + "DDPMScheduler.add_noise",
    ),
    SAMPLE: Deviation(
        FLOAT32_TABLE,
        "the scale of the noise at t = 1 of GENTLE is off by 8.3e-5 of itself",
        DDPM + "DDPMScheduler.add_noise",
    ),
    f"{CONVERSION}[eps-x0]": _float32_step(
        "the noise taken out at t = 1 of GENTLE is off by 8.3e-5"
    ),
    f"{CONVERSION}[v-x0]": _float32_step("the v taken out at t = 1 of GENTLE is off by 8.3e-5"),
    f"{CONVERSION}[eps-v]": Deviation(
        FLOAT32_TABLE,
        "the share of x_t in v at t = 1 of GENTLE is off by 8.3e-5",
        DDPM + "DDPMScheduler.get_velocity",
    ),
    ROTATION: Deviation(
        FLOAT32_TABLE,
        "the sine of the angle at t = 1 of GENTLE is off by 8.3e-7, of 0.01",
        DDPM + "DDPMScheduler.get_velocity",
    ),
    f"{BAYES}[one step-mean]": _float32_step("5.5e-5 of |x_0| + |x_t| at t = 2 of GENTLE"),
    f"{BAYES}[any-mean]": _float32_step("5.5e-5 of |x_0| + |x_t| at t = 2, s = 1 of GENTLE"),
    f"{STEP}[one step-fixed_small]": _float32_step("5.5e-5 of |x_0| + |x_t| at t = 2 of GENTLE"),
    f"{STEP}[one step-fixed_large]": _float32_step("5.5e-5 of |x_0| + |x_t| at t = 2 of GENTLE"),
    f"{STEP}[any-fixed_small]": _float32_step("5.5e-5 of |x_0| + |x_t| at t = 2, s = 1 of GENTLE"),
    f"{STEP}[any-fixed_large]": _final_noise(
        "a standard deviation of 0.742 on x_0 instead of 0, on STEEP from t = 2"
    ),
    f"{BAYES}[one step-var]": Deviation(
        "The variance is at least 1e-20, also of x_0 given x_0, and is calculated from "
        "1 - alpha_bar_t in float32.",
        "1e-20 instead of 0 at s = 0; 1.2e-4 of its value at t = 2 of GENTLE",
        DDPM + "DDPMScheduler._get_variance",
    ),
    f"{BAYES}[any-var]": Deviation(
        "The variance is at least 1e-20, also of x_0 given x_0, and is calculated from "
        "1 - alpha_bar_t in float32.",
        "1e-20 instead of 0 at s = 0; 1.2e-4 of its value at t = 2, s = 1 of GENTLE",
        DDPM + "DDPMScheduler._get_variance",
    ),
    f"{CHAIN}[()-fixed_large]": _final_noise("variance 0.55 too much on STEEP with times (2, 0)"),
    f"{CHAIN}[(2,)-fixed_large]": _final_noise("variance 0.55 too much on STEEP with times (2, 0)"),
    f"{CHAIN}[(2, 2, 2)-fixed_large]": _final_noise(
        "variance 0.55 too much on STEEP with times (2, 0)"
    ),
    f"{LAW}[(4, 2, 0)-fixed_large]": _final_noise(
        "each marginal variance of x_0 is 2.1 to 2.4 times the exact one on STEEP"
    ),
    f"{LEFT}[fixed_large]": _final_noise(
        "noise beyond the given one, of standard deviation 0.742 on STEEP from t = 2, tells two "
        "equal runs apart"
    ),
    **dict(
        [
            _ddim_digits(0.0, "3.8e-5 of x_1, of 1, from t = 2 of GENTLE"),
            _ddim_digits(0.3, "3.8e-5 of x_1, of 0.99, from t = 2 of GENTLE"),
            _ddim_digits(0.7, "3.6e-5 of x_1, of 0.9, from t = 2 of GENTLE"),
            _ddim_digits(1.0, "4.3e-5 of x_1, of 0.7, from t = 2 of GENTLE"),
        ]
    ),
    f"{NEXT}[ddim-trailing]": _stride(
        "with eta = 0.7 and 7 steps of T = 1000 the variances of x_0 are 1.08 and 1.12 times the "
        "exact ones"
    ),
    f"{NEXT}[ddim-linspace]": _stride(
        "with eta = 0.7 and 7 steps of T = 1000 the variances of x_0 are 1.41 and 1.43 times the "
        "exact ones"
    ),
    f"{N_STEPS}[trailing]": Deviation(
        "A float range of T / steps may hold one level more: index -1, which is the noisiest.",
        "201 steps of T = 1000 are 202, and the last asks the network at index -1",
        SCHEDULERS + "scheduling_ddim.py, DDIMScheduler.set_timesteps",
    ),
    "test_timestep_spacing.py::test_trailing_timesteps_are_even_from_zero": Deviation(
        "A float range of T / steps may hold one level more: index -1, which is the noisiest.",
        "201 steps of T = 1000 are 202, and the last asks the network at index -1",
        SCHEDULERS + "scheduling_ddim.py, DDIMScheduler.set_timesteps",
    ),
    f"{N_STEPS}[linspace]": Deviation(
        "One step of an even spacing from 0 to T - 1 starts at index 0, not at the last.",
        "the chain of one step starts at level 1, which takes noise for a nearly clean image",
        SCHEDULERS + "scheduling_ddim.py, DDIMScheduler.set_timesteps",
    ),
    "test_dpm_solver.py::test_convergence_is_second_order": Deviation(
        "All is in float32, whose rounding is felt beside the error of the method at 512 steps.",
        "the slope from 64 to 512 steps is 1.84 instead of 2",
        SCHEDULERS + "scheduling_dpmsolver_multistep.py, DPMSolverMultistepScheduler",
    ),
    f"{FROM_NOISE}[dpm++1]": Deviation(
        "alpha_bar_T = 0 is replaced by 2^-24; before it alpha_bar may be rounded to a lower one.",
        "x_0 is NaN at betas 0.5, 0.5, 2^-13 and times 3, 2, 1, 0",
        SCHEDULERS + "scheduling_dpmsolver_multistep.py, DPMSolverMultistepScheduler.__init__",
    ),
    f"{FROM_NOISE}[dpm++2m]": Deviation(
        "alpha_bar_T = 0 is replaced by 2^-24, and h_last is what that makes of it.",
        "a covariance of x_0 is off by 0.012 on GENTLE with times 30, 5, 1, 0",
        SCHEDULERS + "scheduling_dpmsolver_multistep.py, DPMSolverMultistepScheduler.__init__",
    ),
    "test_ema.py::test_buffers_are_copied": Deviation(
        "EMAModel takes parameters; buffers of the averaged network stay as they are.",
        "after 7 steps the buffer is that of step 0",
        TRAINING + "EMAModel.copy_to",
    ),
    "test_ema.py::test_decay_is_constant_or_warms_up": Deviation(
        "The first step copies the weights; from the second on the warm-up is (1 + k) / (10 + k).",
        "the decay at k = 0 is 0 instead of 0.1",
        TRAINING + "EMAModel.get_decay",
    ),
    f"{SHIPPED}[250-linear]": _unscaled(250, "0.0797", "3.3e-5"),
    f"{SHIPPED}[30-linear]": _unscaled(30, "0.738", "1.1e-6"),
    f"{SHIPPED}[21-linear]": _unscaled(21, "0.809", "8.0e-9"),
    REFUSED: Deviation(
        UNSCALED,
        "no error: alpha_bar_T is 0.904 at T = 10",
        DDPM + "DDPMScheduler.__init__; see PR #12341",
    ),
    f"{SHIPPED}[1000-cosine]": _float32_cosine(1000, "1.3e-5"),
    f"{SHIPPED}[250-cosine]": _float32_cosine(250, "1.3e-5"),
    f"{SHIPPED}[30-cosine]": _float32_cosine(30, "1.3e-5"),
    f"{SHIPPED}[21-cosine]": _float32_cosine(21, "1.3e-5"),
    "test_schedules.py::test_zero_terminal_snr_shifts_and_scales_sqrt_alpha_bar": Deviation(
        "The rescaled alpha_bar becomes betas in float32, and those a product again.",
        "alpha_bar_2 = 1.8e-4 of betas 0.25, 0.75, 0.03125 is off by 5.9e-5 of its value",
        DDPM + "rescale_zero_terminal_snr",
    ),
}
