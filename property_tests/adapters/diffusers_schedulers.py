"""Hugging Face diffusers: 17 schedulers with their options, each along its own timesteps.

`--ddpm-impl property_tests.adapters.diffusers_schedulers:Scheduler` runs them all, and
`...:Scheduler[euler-trailing-epsilon]` one of them. A network that predicts eps or v is made from
the denoiser by the suite's own exact conversion.
"""

import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar
from unittest import mock

import diffusers
import torch
from diffusers.utils.torch_utils import randn_tensor

from ..oracles.exact import converted
from ..protocol import Array, Betas, SamplingSpec
from .tensors import FLOAT32, array, tensor

PREDICTIONS = {"epsilon": "eps", "sample": "x0", "v_prediction": "v"}
SPACINGS = ("leading", "trailing", "linspace")
Row = Mapping[str, Any]


def row(scheduler: str, sampler: str, order: float, stages: int = 1, **config: Any) -> Row:
    """Return a scheduler, the name of its sampler, its order of convergence and its options."""
    return {"scheduler": f"{scheduler}Scheduler", "sampler": sampler, "order": order} | {
        "stages": stages,
        "config": config,
    }


def multistep(order: int, **config: Any) -> Row:
    """Return DPMSolverMultistepScheduler, whose samplers of order 1 and 2 have names."""
    names = {1: "dpm++1", 2: "dpm++2m", 3: "dpm++3m"}
    return row("DPMSolverMultistep", names[order], order, solver_order=order, **config)


SDE = {"algorithm_type": "sde-dpmsolver++"}
SCHEDULERS: Mapping[str, Row] = {
    "ddpm": row("DDPM", "fixed_small", 1, clip_sample=False),
    "ddpm-large": row("DDPM", "fixed_large", 1, clip_sample=False, variance_type="fixed_large"),
    "ddpm-parallel": row("DDPMParallel", "fixed_small", 1, clip_sample=False),
    "ddim": row("DDIM", "ddim", 1, clip_sample=False),
    "ddim-parallel": row("DDIMParallel", "ddim", 1, clip_sample=False),
    "pndm": row("PNDM", "plms", 2, skip_prk_steps=True, set_alpha_to_one=True),
    "dpm++1": multistep(1),
    "dpm++2m": multistep(2),
    "dpm++2m-sigma_min": multistep(2, final_sigmas_type="sigma_min"),
    "dpm++3m": multistep(3),
    "sde-dpm++1": row("DPMSolverMultistep", "fixed_small", 1, solver_order=1, **SDE),
    "sde-dpm++3m": row("DPMSolverMultistep", "sde-dpm++3m", 3, solver_order=3, **SDE),
    "sde-dpm++2m": row("DPMSolverMultistep", "sde-dpm++2m", 2, solver_order=2, **SDE),
    "dpm++2s": row("DPMSolverSinglestep", "dpm++2s", 2, solver_order=2),
    "dpm++3s": row("DPMSolverSinglestep", "dpm++3s", 3, solver_order=3),
    "deis1": row("DEISMultistep", "dpm++1", 1, solver_order=1),
    "deis2": row("DEISMultistep", "deis2", 2, solver_order=2),
    "deis3": row("DEISMultistep", "deis3", 3, solver_order=3),
    "unipc2": row("UniPCMultistep", "unipc2", 2, solver_order=2),
    "unipc3": row("UniPCMultistep", "unipc3", 3, solver_order=3),
    "euler": row("EulerDiscrete", "dpm++1", 1),
    "euler-churn": row("EulerDiscrete", "churn", 1),
    "euler-ancestral": row("EulerAncestralDiscrete", "fixed_small", 1),
    "heun": row("HeunDiscrete", "heun", 2, stages=2),
    "kdpm2": row("KDPM2Discrete", "kdpm2", 2, stages=2),
    "kdpm2-ancestral": row("KDPM2AncestralDiscrete", "kdpm2-ancestral", 1, stages=2),
    "lms": row("LMSDiscrete", "lms", 4),
    "sa": row("SASolver", "sa", 2),
    "tcd": row("TCD", "dpm++1", 1),
}
WITHOUT_SPACING = ("DPMSolverSinglestepScheduler",)
NO_SAMPLE = ("PNDMScheduler",)  # predicts epsilon or v


def _options() -> Iterator[tuple[str, Row]]:
    """Yield every spacing with epsilon, and the other predictions with trailing timesteps."""
    for name, each in SCHEDULERS.items():
        for spacing in SPACINGS:
            for prediction in PREDICTIONS if spacing == "trailing" else ("epsilon",):
                config = each["config"] | {"prediction_type": prediction}
                if each["scheduler"] not in WITHOUT_SPACING:
                    config["timestep_spacing"] = spacing
                elif spacing != "trailing":
                    continue
                if prediction == "sample" and each["scheduler"] in NO_SAMPLE:
                    continue
                yield f"{name}-{spacing}-{prediction}", {**each, "config": config}


class Scheduler:
    """A scheduler with its options; see `protocol.Implementation`."""

    unit_roundoff = FLOAT32
    options: ClassVar = dict(_options())

    def __init__(
        self, scheduler: str, sampler: str, order: float, stages: int, config: Mapping[str, Any]
    ) -> None:
        self.name = f"diffusers {diffusers.__version__} {scheduler}"
        self._build, self._config = getattr(diffusers, scheduler), config
        self._sampler, self._order, self._stages = sampler, order, stages
        self._reused: list[dict[Any, Any]] = []

    def claimed_orders(self) -> Mapping[str, float]:
        return {self._sampler: self._order}

    def own_timesteps(self, betas: Betas, sampler: str, steps: int) -> tuple[Any, ...]:
        return self._times(self._scheduler(betas, sampler, steps))

    def sample(self, spec: SamplingSpec, x_T: Array, noises: list[Array]) -> Array:
        """Sample along its own timesteps, in its own units of the state."""
        scheduler = self._scheduler(spec.betas, spec.sampler, len(spec.times[:-1]))
        if self._times(scheduler) != spec.times or spec.zero_terminal:
            raise NotImplementedError("it takes its own timesteps only")
        remaining = [tensor(each) for each in reversed(noises)]

        def draw(*arguments: Any, **named: Any) -> torch.Tensor:
            return remaining.pop() if remaining else randn_tensor(*arguments, **named)

        first, options = scheduler.timesteps[0], self._options_of_step(spec)
        # In its units the state is divided by what scale_model_input multiplies with.
        x = torch.div(tensor(x_T), scheduler.scale_model_input(torch.ones(()), first))
        module = sys.modules[self._build.__module__]
        with mock.patch.object(module, "randn_tensor", draw, create=True), _quiet():
            for index in scheduler.timesteps:
                output = self._network(spec, scheduler.scale_model_input(x, index), index)
                x = scheduler.step(output, index, x, **options).prev_sample
        return array(x)

    @contextmanager
    def reused_objects(self) -> Iterator[None]:
        """Let runs share one scheduler, which each sets to its timesteps, as pipelines do."""
        self._reused.append({})
        try:
            yield
        finally:
            self._reused.pop()

    def _options_of_step(self, spec: SamplingSpec) -> dict[str, float]:
        match self._sampler:
            case "ddim":
                return {"eta": spec.eta}
            case "churn":
                return {"s_churn": spec.churn, "s_noise": spec.noise_scale}
        return {"eta": 0.0} if self._build is diffusers.TCDScheduler else {}

    def _network(self, spec: SamplingSpec, x_t: torch.Tensor, index: Any) -> torch.Tensor:
        t = _timestep(index)
        x0_hat = spec.denoiser(array(x_t), t)
        target = PREDICTIONS[self._config["prediction_type"]]
        return tensor(converted(spec.betas, "x0", target, x0_hat, array(x_t), t))

    def _scheduler(self, betas: Betas, sampler: str, steps: int) -> Any:
        """Return the scheduler with its timesteps; inside `reused_objects` always the same."""
        if sampler != self._sampler:
            raise NotImplementedError(f"{self._build.__name__} is not {sampler}")
        config = {**self._config, "num_train_timesteps": len(betas), "trained_betas": [*betas]}
        if self._build is diffusers.TCDScheduler:
            config["original_inference_steps"] = len(betas)
        with _quiet():
            objects = self._reused[0] if self._reused else {}
            if betas not in objects:
                objects[betas] = self._build(**config)
            objects[betas].set_timesteps(steps)
        return objects[betas]

    def _times(self, scheduler: Any) -> tuple[Any, ...]:
        """Return the beginnings of its steps; two evaluations at the first one are one step."""
        found = scheduler.timesteps[:: self._stages].tolist()
        return (*dict.fromkeys(map(_timestep, found)), 0)


@contextmanager
def _quiet() -> Iterator[None]:
    """Let it convert tensors to arrays in a deprecated way."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def _timestep(index: Any) -> Any:
    """Return an index as a timestep, an int if it is one."""
    t = float(index) + 1
    return int(t) if t.is_integer() else t
