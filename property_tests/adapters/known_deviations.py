"""What each release is known to do otherwise, measured against the suite's oracles.

Nothing is imported from a release here, so the tables can be read without it. STEEP, GENTLE and
EARLY are in `strategies.py`; GENTLE starts with beta_1 = 1e-4.
"""

from ..protocol import Deviation

BAYES = "test_posterior.py::test_mean_and_variance_match_bayes"
CHAIN = "test_samplers.py::test_the_chain_has_the_law_of_the_recursion"
CLOCK = "test_contract.py::test_a_level_outside_the_clock_is_refused"
CONVERSION = "test_parameterization.py::test_conversion_solves_the_definitions"
EMBEDDING = "test_embeddings.py::test_each_entry_is_the_sine_or_cosine_of_its_angle"
LADDER = "test_samplers.py::test_the_ladder_falls_from_T_to_data"
LAW = "test_samplers.py::test_samples_have_the_law_of_the_chain"
LINEAR = "test_contract.py::test_what_is_linear_scales"
LEVEL_ZERO = "test_forward_process.py::test_sample_at_level_zero_is_the_data"
REFUSED = "test_schedules.py::test_a_linear_schedule_whose_betas_leave_the_unit_interval_is_refused"
ROTATION = "test_parameterization.py::test_xt_and_v_are_a_rotation_of_x0_and_eps"
ROWS = "test_contract.py::test_a_row_of_the_batch_is_the_batch_of_that_row"
SAMPLE = "test_forward_process.py::test_sample_is_the_marginal_with_its_noise"
SHIPPED = "test_schedules.py::test_shipped_schedules_are_their_definition"
STEP = "test_samplers.py::test_a_step_is_the_posterior_mean_and_its_noise"
UNCHANGED = "test_contract.py::test_arguments_are_left_as_they_were"
THERE_AND_BACK = "test_parameterization.py::test_there_and_back_is_the_identity"

DDPM = "diffusers 0.42.1, schedulers/scheduling_ddpm.py, "
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
    f"{BAYES}[one level-mean]": _float32_step("5.5e-5 of |x_0| + |x_t| at t = 2 of GENTLE"),
    f"{BAYES}[any-mean]": _float32_step("5.5e-5 of |x_0| + |x_t| at t = 2, s = 1 of GENTLE"),
    f"{STEP}[one level-fixed_small]": _float32_step("5.5e-5 of |x_0| + |x_t| at t = 2 of GENTLE"),
    f"{STEP}[one level-fixed_large]": _float32_step("5.5e-5 of |x_0| + |x_t| at t = 2 of GENTLE"),
    f"{STEP}[any-fixed_small]": _float32_step("5.5e-5 of |x_0| + |x_t| at t = 2, s = 1 of GENTLE"),
    f"{STEP}[any-fixed_large]": _final_noise(
        "a standard deviation of 0.742 on x_0 instead of 0, on STEEP from t = 2"
    ),
    f"{BAYES}[one level-var]": Deviation(
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
    LADDER: Deviation(
        'The default spacing "leading" starts at 1 + (steps - 1) floor(T / steps), below T.',
        "at T = 1000 the first level is 981 of 50 steps, and 853 of 7",
        DDPM + "DDPMScheduler.set_timesteps; see issue #2585",
    ),
    "test_ema.py::test_buffers_are_copied": Deviation(
        "EMAModel takes parameters; buffers of the averaged network stay as they are.",
        "after 7 steps the buffer is that of step 0",
        TRAINING + "EMAModel.copy_to",
    ),
    "test_ema.py::test_the_decay_is_constant_or_warms_up": Deviation(
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
    "test_schedules.py::test_zero_terminal_snr_shifts_and_scales_the_root": Deviation(
        "The rescaled alpha_bar becomes betas in float32, and those a product again.",
        "alpha_bar_2 = 1.8e-4 of betas 0.25, 0.75, 0.03125 is off by 5.9e-5 of its value",
        DDPM + "rescale_zero_terminal_snr",
    ),
}

VP = "azula 0.11.1, noise.py, VPSchedule.sigma"
CANCELS = "sigma_t is the root of 1 - alpha_t^2, which cancels where alpha_t is near 1."
PRODUCT = "alpha_bar_t is a plain product of 1 - beta_t, and beta_t is 1 minus a quotient."
ADM = "azula 0.11.1, plugins/adm/__init__.py, AblatedDenoiser.__init__"

AZULA: dict[str, Deviation] = {
    SAMPLE: Deviation(CANCELS, "5.5e-14 of sigma_t at t = 1 of GENTLE, in float64", VP),
    f"{CONVERSION}[eps-x0]": Deviation(CANCELS, "5.5e-14 of the noise at t = 1 of GENTLE", VP),
    f"{CONVERSION}[v-x0]": Deviation(CANCELS, "5.5e-14 of the v at t = 1 of GENTLE", VP),
    f"{STEP}[one level-fixed_small]": Deviation(
        CANCELS, "3.2e-14 of |x_0| + |x_t| at t = 2 of GENTLE", VP
    ),
    f"{STEP}[any-fixed_small]": Deviation(
        CANCELS, "3.2e-14 of |x_0| + |x_t| at t = 2, s = 1 of GENTLE", VP
    ),
    EMBEDDING: Deviation(
        "The docstring interleaves sines and cosines of frequencies omega^(-2 i / D); the code "
        "puts all sines first, and its frequencies omega^(-2 i / (D - 2)) end at 1 / omega.",
        "entry 1 of 4 at t = 0 is 0, not 1; at width 8 the second frequency is 0.046, not 0.1",
        "azula 0.11.1, nn/layers.py, sine_encoding",
    ),
    f"{SHIPPED}[1000-cosine]": Deviation(
        PRODUCT, "1.6e-13 of alpha_bar_T at t = T = 1000; 13 times what is allowed at t = 999", ADM
    ),
    f"{SHIPPED}[250-cosine]": Deviation(
        PRODUCT, "2.7e-14 of alpha_bar_T at t = T = 250; 2.6 times what is allowed at t = 249", ADM
    ),
    f"{SHIPPED}[21-cosine]": Deviation(
        PRODUCT, "5.7e-15 of alpha_bar_t at t = 20 of 21; 1.02 times what is allowed", ADM
    ),
    REFUSED: Deviation(
        "The linear schedule is made for any T, with variances beyond 1 below T = 20.",
        "no error: at T = 10 beta_T is 2, and alpha_bar_t is -1.7e-3 at t = 6",
        ADM,
    ),
}

LUCIDRAINS = "denoising-diffusion-pytorch 2.3.4, denoising_diffusion_pytorch.py, "
CLIPS = "p_sample clips x_0 to [-1, 1], and takes no argument that leaves it alone."
REDERIVED = "The noise of a v is re-derived from x_0, which cancels where alpha_bar_t is near 1."

DENOISING_DIFFUSION_PYTORCH: dict[str, Deviation] = {
    LEVEL_ZERO: Deviation(
        "There is no level of data: index -1 is refused by torch.gather.",
        "RuntimeError at t = 0",
        LUCIDRAINS + "extract",
    ),
    f"{CONVERSION}[v-eps]": Deviation(
        REDERIVED,
        "4.8e-4 of the share of x_t at t = 1 of GENTLE",
        LUCIDRAINS + "GaussianDiffusion.model_predictions",
    ),
    f"{THERE_AND_BACK}[eps-v]": Deviation(
        REDERIVED,
        "eps = 0 at x_t = 3 comes back as -2.4e-5 at t = 1 of GENTLE",
        LUCIDRAINS + "GaussianDiffusion.model_predictions",
    ),
    f"{THERE_AND_BACK}[v-eps]": Deviation(
        REDERIVED,
        "5.8e-6 at t = 1 of GENTLE with v = x_t = 1",
        LUCIDRAINS + "GaussianDiffusion.model_predictions",
    ),
    f"{STEP}[one level-fixed_small]": Deviation(
        CLIPS, "x_0 = -1.25 comes back as -1 at t = 1", LUCIDRAINS + "GaussianDiffusion.p_sample"
    ),
    f"{LAW}[(4, 3, 2, 1, 0)-fixed_small]": Deviation(
        CLIPS,
        "of Gaussian data the marginal variances are 0.04 to 0.47 times the exact ones on STEEP",
        LUCIDRAINS + "GaussianDiffusion.p_sample",
    ),
    LADDER: Deviation(
        "DDIM cuts the even levels down to integers instead of rounding them.",
        "up to 0.86 of a level too low at T = 1000 with 7 steps",
        LUCIDRAINS + "GaussianDiffusion.ddim_sample",
    ),
    EMBEDDING: Deviation(
        "Frequencies fall to 1 / theta, as in the code of Ho et al. (2020): half - 1 intervals.",
        "ZeroDivisionError at width 2; at width 8 the second frequency is 0.046 instead of 0.1",
        LUCIDRAINS + "SinusoidalPosEmb.forward",
    ),
    REFUSED: Deviation(
        "The end points are scaled by 1000 / T at any T, and nothing looks at the result.",
        "no error: at T = 10 beta_T is 2, and q_sample is NaN at t = 6, 8 and 10",
        LUCIDRAINS + "linear_beta_schedule; see imagen-pytorch issue #161",
    ),
}
