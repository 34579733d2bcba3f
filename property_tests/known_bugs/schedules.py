"""Known bugs of schedules."""

import numpy as np

from ..adapters.ddpm_core import DdpmCore
from ..protocol import Array, Betas, SamplingSpec, Times
from .registry import known, table


@known(
    "S04-cosine-not-squared",
    "lilianweng/lilianweng.github.io #9",
    "f(t) = cos(...) instead of cos(...)^2",
    "test_schedules.py::test_built_in_schedules_match_their_definition",
    family="cosine",
    T=250,
)
class CosineNotSquared(DdpmCore):
    def schedule(self, name: str, T: int) -> Array:
        if name != "cosine":
            return super().schedule(name, T)
        f = np.cos((np.arange(T + 1) / T + 0.008) / 1.008 * np.pi / 2)
        return table(tuple(np.minimum(1 - f[1:] / f[:-1], 0.999)))


@known(
    "S05-linear-endpoints-not-rescaled",
    "huggingface/diffusers PR #12341; IDEALLab/EngiOpt PR #67",
    "betas 1e-4..0.02 for any T",
    "test_schedules.py::test_built_in_schedules_match_their_definition",
    family="linear",
    T=250,
)
class LinearNotRescaled(DdpmCore):
    def schedule(self, name: str, T: int) -> Array:
        if name != "linear":
            return super().schedule(name, T)
        return table(tuple(np.linspace(1e-4, 0.02, T)))


@known(
    "S07-beta-above-one",
    "lucidrains/imagen-pytorch #161; openai/guided-diffusion #137",
    "scale 1000 / T without a bound: T < 21 gives beta_T >= 1, and roots of negative numbers",
    "test_schedules.py::test_linear_schedule_with_betas_out_of_range_is_refused",
)
class BetaAboveOne(DdpmCore):
    def schedule(self, name: str, T: int) -> Array:
        if name != "linear":
            return super().schedule(name, T)
        return table(tuple(np.linspace(0.1 / T, 20 / T, T)))


@known(
    "S08-alphas-bar-half",
    "AUTOMATIC1111/stable-diffusion-webui #14071",
    "the table is stored in float16 with the model's weights, and used as if exact",
    "test_forward_process.py::test_alpha_bar_is_the_squared_scale_of_composed_steps",
)
class AlphaBarHalf(DdpmCore):
    def alpha_bar(self, betas: Betas) -> Array:
        return table(betas).astype(np.float16).astype(np.float64)


@known(
    "S17-schedule-mutates-argument",
    "CleanDiffuserTeam/CleanDiffuser #31",
    "the last of the caller's timesteps is overwritten",
    "test_contract.py::test_arguments_are_not_modified",
    method="q_sample",
)
class MutatesTimes(DdpmCore):
    def q_sample(self, betas: Betas, x_0: Array, t: Times, noise: Array) -> Array:
        t[-1] = min(t[-1], len(betas) - 1)
        return super().q_sample(betas, x_0, t, noise)


@known(
    "S18-strided-betas-recumulated",
    "gmongaras/Diffusion_models_from_scratch @320d790",
    "strided sampling selects betas and accumulates them, instead of selecting alpha_bar",
    "test_ddim.py::test_output_distribution_matches_the_recursion",
    eta=0.0,
    event=(2,),
)
class StridedBetas(DdpmCore):
    def sample(self, spec: SamplingSpec, x_T: Array, noises: list[Array]) -> Array:
        betas, times, denoiser = spec.betas, spec.times, spec.denoiser
        selected = tuple(betas[t - 1] for t in sorted(times) if t)
        timesteps = dict(enumerate(sorted(times)))
        indices = tuple(range(len(selected), -1, -1))
        wrong = SamplingSpec(
            selected, spec.sampler, indices, lambda x, i: denoiser(x, timesteps[i])
        )
        return super().sample(wrong, x_T, noises)
