"""Known bugs of classifier-free guidance."""

import numpy as np

from ..adapters.ddpm_core import DdpmCore
from ..protocol import Array, Guidance, Times
from .registry import known


@known(
    "G02-cfg-doc-sign",
    "labmlai/annotated_deep_learning_paper_implementations #177",
    "s cond + (s - 1) uncond instead of 1 - s: the weights sum to 2 s - 1",
    "test_guidance.py::test_guided_prediction_is_on_the_line_through_both",
    together=True,
)
class SignOfTheSecondWeight(DdpmCore):
    def guided(self, guidance: Guidance, x_t: Array, t: int, labels: Times | None) -> Array:
        if labels is None:
            return guidance.denoiser(x_t, t, None)
        cond, uncond = (guidance.denoiser(x_t, t, each) for each in (labels, None))
        return guidance.scale * cond + (guidance.scale - 1) * uncond


@known(
    "G07-scale-shortcut-wrong-branch",
    "yuanchenyang/smalldiffusion @e4da67f",
    "the shortcut for scale 1 returns the unconditional prediction",
    "test_guidance.py::test_single_prediction_takes_a_single_evaluation",
    case="scale 1",
)
class WrongBranchAtScaleOne(DdpmCore):
    def guided(self, guidance: Guidance, x_t: Array, t: int, labels: Times | None) -> Array:
        return super().guided(guidance, x_t, t, None if guidance.scale == 1 else labels)


@known(
    "G09-independent-dropout",
    "YuchuanTian/U-DiT #12; pytorch/torchtitan PR #1259",
    "two readers of one label drop it independently: both drop it with probability p^2",
    "test_guidance.py::test_labels_are_dropped_with_the_given_probability",
)
class IndependentDropout(DdpmCore):
    def drop_labels(self, labels: Times, probability: float, seed: int) -> Times:
        first = super().drop_labels(labels, probability, seed)
        second = super().drop_labels(labels, probability, seed + 2**60)
        return np.where(first == second, first, labels)
