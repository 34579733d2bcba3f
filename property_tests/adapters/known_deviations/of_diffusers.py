"""Known deviations of diffusers."""

from ...protocol import Deviation
from .checks import (
    BAYES,
    BUILT_IN,
    CHAIN,
    CONNECTED,
    CONVERSION,
    DDIM_STEP,
    INDEPENDENT_RUNS,
    LINEAR,
    N_STEPS,
    RANGE,
    REFUSED,
    ROTATION,
    ROWS,
    SAMPLE,
    SAMPLES,
    STEP,
    TIMESTEP_ZERO,
    UNMODIFIED,
    ZERO_SNR,
)

SCHEDULERS = "diffusers 0.42.1, schedulers/"
DDPM = SCHEDULERS + "scheduling_ddpm.py, "
TRAINING = "diffusers 0.42.1, training_utils.py, "
UNSCALED = (
    "The end points 1e-4 and 0.02 are used unscaled at every T: for small T, x_T is far from noise."
)
FINAL_NOISE = (
    "A step to data from an index above 0 still adds noise, with the variance 1 - alpha_bar_t."
)
FLOAT32_TABLE = "1 - alpha_bar_t is subtracted in float32, which loses its digits at small t."
FLOAT32_COSINE = "alpha_bar_t is a product of 1 - beta_t with beta_t, near 0.999, in float32."
NO_DATA = "Timestep 0 is index -1 of the table, which is the noisiest timestep."


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
        "A step goes T // steps timesteps down, whatever the next of its timesteps is.",
        effect,
        SCHEDULERS + "scheduling_ddim.py, DDIMScheduler.step (prev_timestep)",
    )


def _final_noise(effect: str) -> Deviation:
    return Deviation(FINAL_NOISE, effect, DDPM + "DDPMScheduler.step (if t > 0)")


DIFFUSERS: dict[str, Deviation] = {
    f"{UNMODIFIED}[q_posterior]": TINY_BETA,
    f"{ROWS}[q_posterior]": TINY_BETA,
    f"{LINEAR}[q_posterior-2.0]": TINY_BETA,
    f"{LINEAR}[q_posterior--0.5]": TINY_BETA,
    f"{RANGE}[q_sample--1]": Deviation(
        "t = -1 is index -2, which wraps around to the second-to-last timestep.",
        "x_t of STEEP is 0.561 x_0 + 0.828 noise, as at t = 3",
        DDPM + "DDPMScheduler.add_noise",
    ),
    TIMESTEP_ZERO: Deviation(
        NO_DATA,
        "x_t of STEEP at t = 0 is 0.251 x_0 + 0.968 noise instead of x_0",
        DDPM + "DDPMScheduler.add_noise",
    ),
    SAMPLE: Deviation(
        FLOAT32_TABLE,
        "the scale of the noise at t = 1 of GENTLE is off by 8.3e-5 of itself",
        DDPM + "DDPMScheduler.add_noise",
    ),
    f"{CONVERSION}[eps-x0]": _float32_step("the noise removed at t = 1 of GENTLE is off by 8.3e-5"),
    f"{CONVERSION}[v-x0]": _float32_step("the v removed at t = 1 of GENTLE is off by 8.3e-5"),
    f"{CONVERSION}[eps-v]": Deviation(
        FLOAT32_TABLE,
        "the coefficient of x_t in v at t = 1 of GENTLE is off by 8.3e-5",
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
        "The variance is at least 1e-20, even for x_0 given x_0, and is computed from "
        "1 - alpha_bar_t in float32.",
        "1e-20 instead of 0 at s = 0; 1.2e-4 of its value at t = 2 of GENTLE",
        DDPM + "DDPMScheduler._get_variance",
    ),
    f"{BAYES}[any-var]": Deviation(
        "The variance is at least 1e-20, even for x_0 given x_0, and is computed from "
        "1 - alpha_bar_t in float32.",
        "1e-20 instead of 0 at s = 0; 1.2e-4 of its value at t = 2, s = 1 of GENTLE",
        DDPM + "DDPMScheduler._get_variance",
    ),
    f"{CHAIN}[()-fixed_large]": _final_noise("variance 0.55 too much on STEEP with times (2, 0)"),
    f"{CHAIN}[(2,)-fixed_large]": _final_noise("variance 0.55 too much on STEEP with times (2, 0)"),
    f"{CHAIN}[(2, 2, 2)-fixed_large]": _final_noise(
        "variance 0.55 too much on STEEP with times (2, 0)"
    ),
    f"{SAMPLES}[(4, 2, 0)-fixed_large]": _final_noise(
        "each marginal variance of x_0 is 2.1 to 2.4 times the exact one on STEEP"
    ),
    f"{INDEPENDENT_RUNS}[fixed_large]": _final_noise(
        "additional noise, of standard deviation 0.742 on STEEP from t = 2, makes two equal runs "
        "differ"
    ),
    **dict(
        [
            _ddim_digits(0.0, "3.8e-5 of x_1, of 1, from t = 2 of GENTLE"),
            _ddim_digits(0.3, "3.8e-5 of x_1, of 0.99, from t = 2 of GENTLE"),
            _ddim_digits(0.7, "3.6e-5 of x_1, of 0.9, from t = 2 of GENTLE"),
            _ddim_digits(1.0, "4.3e-5 of x_1, of 0.7, from t = 2 of GENTLE"),
        ]
    ),
    f"{CONNECTED}[ddim-trailing]": _stride(
        "with eta = 0.7 and 7 steps of T = 1000 the variances of x_0 are 1.08 and 1.12 times the "
        "exact ones"
    ),
    f"{CONNECTED}[ddim-linspace]": _stride(
        "with eta = 0.7 and 7 steps of T = 1000 the variances of x_0 are 1.41 and 1.43 times the "
        "exact ones"
    ),
    f"{N_STEPS}[trailing]": Deviation(
        "A float range of T / steps may contain an extra element: index -1, which is the noisiest.",
        "201 steps of T = 1000 become 202, and the last evaluates the network at index -1",
        SCHEDULERS + "scheduling_ddim.py, DDIMScheduler.set_timesteps",
    ),
    "test_timestep_spacing.py::test_trailing_timesteps_are_even_from_zero": Deviation(
        "A float range of T / steps may contain an extra element: index -1, which is the noisiest.",
        "201 steps of T = 1000 become 202, and the last evaluates the network at index -1",
        SCHEDULERS + "scheduling_ddim.py, DDIMScheduler.set_timesteps",
    ),
    f"{N_STEPS}[linspace]": Deviation(
        "A single step of an even spacing from 0 to T - 1 starts at index 0 instead of the last.",
        "sampling with one step starts at t = 1, which takes noise for a nearly clean image",
        SCHEDULERS + "scheduling_ddim.py, DDIMScheduler.set_timesteps",
    ),
    "test_dpm_solver.py::test_convergence_is_second_order": Deviation(
        "All computations are in float32, whose rounding affects the error at 512 steps.",
        "the slope from 64 to 512 steps is 1.84 instead of 2",
        SCHEDULERS + "scheduling_dpmsolver_multistep.py, DPMSolverMultistepScheduler",
    ),
    f"{ZERO_SNR}[dpm++1]": Deviation(
        "alpha_bar_T = 0 is replaced by 2^-24, and a preceding alpha_bar may round to a lower one.",
        "x_0 is NaN at betas 0.5, 0.5, 2^-13 and times 3, 2, 1, 0",
        SCHEDULERS + "scheduling_dpmsolver_multistep.py, DPMSolverMultistepScheduler.__init__",
    ),
    f"{ZERO_SNR}[dpm++2m]": Deviation(
        "alpha_bar_T = 0 is replaced by 2^-24, which determines the last h.",
        "a covariance of x_0 is off by 0.012 on GENTLE with times 30, 5, 1, 0",
        SCHEDULERS + "scheduling_dpmsolver_multistep.py, DPMSolverMultistepScheduler.__init__",
    ),
    "test_ema.py::test_buffers_are_copied": Deviation(
        "EMAModel takes parameters; buffers of the averaged network are not updated.",
        "after 7 steps the buffer is that of step 0",
        TRAINING + "EMAModel.copy_to",
    ),
    "test_ema.py::test_decay_is_constant_or_warms_up": Deviation(
        "The first step copies the weights; from the second on the decay is (1 + k) / (10 + k).",
        "the decay at k = 0 is 0 instead of 0.1",
        TRAINING + "EMAModel.get_decay",
    ),
    f"{BUILT_IN}[250-linear]": _unscaled(250, "0.0797", "3.3e-5"),
    f"{BUILT_IN}[30-linear]": _unscaled(30, "0.738", "1.1e-6"),
    f"{BUILT_IN}[21-linear]": _unscaled(21, "0.809", "8.0e-9"),
    REFUSED: Deviation(
        UNSCALED,
        "no error: alpha_bar_T is 0.904 at T = 10",
        DDPM + "DDPMScheduler.__init__; see PR #12341",
    ),
    f"{BUILT_IN}[1000-cosine]": _float32_cosine(1000, "1.3e-5"),
    f"{BUILT_IN}[250-cosine]": _float32_cosine(250, "1.3e-5"),
    f"{BUILT_IN}[30-cosine]": _float32_cosine(30, "1.3e-5"),
    f"{BUILT_IN}[21-cosine]": _float32_cosine(21, "1.3e-5"),
    "test_schedules.py::test_zero_terminal_snr_shifts_and_scales_sqrt_alpha_bar": Deviation(
        "The rescaled alpha_bar is converted to betas in float32, and those to a product again.",
        "alpha_bar_2 = 1.8e-4 of betas 0.25, 0.75, 0.03125 is off by 5.9e-5 of its value",
        DDPM + "rescale_zero_terminal_snr",
    ),
}
