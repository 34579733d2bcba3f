"""Comparison of an equation of a page with an implementation, at one point."""

import numpy as np

from ..oracles.exact import kappa, mpf
from ..protocol import Implementation
from ..statistics.tolerances import allowance, check
from . import pages
from .evaluation import Evaluation, Point
from .evaluators import EVALUATORS
from .latent_evaluators import LATENT

AT_DATA = ("ancestral.lands-on-data", "posterior.last-step", "losses.decoder-variance")
OWN_TIMESTEPS = {  # evaluated at timesteps of their own
    *("losses.kl", "losses.prior", "losses.decoder", "losses.decoder-lowest"),
    *("losses.decoder-highest", "likelihood.bits", "likelihood.dequantised"),
    *("probability-flow.density", "probability-flow.data"),
    *("learned-variance.range", "learned-variance.decoder", "learned-variance.hybrid"),
    *("learned-variance.importance", "learned-variance.mixture"),
    *LATENT,
    *("losses.simple", "losses.weighted", "images.range", "statistics.power"),
    *("ancestral.ladder", "ddim.linspace", "ddim.leading"),
    *("schedules.linear", "schedules.cosine", "schedules.sigmoid", "ema.decay", "ema.update"),
    *("embeddings.sinusoidal", "embeddings.cosines", "embeddings.fourier"),
}


def compare(impl: Implementation, name: str, point: Point) -> bool:
    """Fail if text and implementation differ; return False if an assumption does not hold."""
    if name in AT_DATA:
        point = point._replace(s=0)
    integers = {"s": point.s, "t": point.t, "T": len(point.betas), "K": 1, "k": point.t + 1}
    if name not in OWN_TIMESTEPS and pages.instance(name, point.betas, integers, {}) is None:
        return False
    evaluation: Evaluation = EVALUATORS[name](impl, point)
    where = pages.instance(
        name, point.betas, integers | (evaluation.integers or {}), evaluation.values
    )
    if where is None:
        return False
    s = point.s if evaluation.s is None else evaluation.s
    conditioning = mpf(1) if name in OWN_TIMESTEPS else kappa(point.betas, s, point.t)
    unit = allowance(impl.unit_roundoff, conditioning, evaluation.times)
    for part, got in enumerate(evaluation.got):
        want = pages.text(name, where, part if pages.is_distribution(name) else None)
        check(name, (0,), np.float64([got]), want.exact, unit * want.size + evaluation.absolute)
    return True
