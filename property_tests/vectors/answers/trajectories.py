"""Complete sampling trajectories in 60 digits, composed of the exact steps of `options.steps`.

Every part is linear in what comes before, so that an error there is magnified by the part's value
at a unit argument.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

from ...options.denoisers import Bounded
from ...options.steps import extrapolated, heun_correction, one_step, roundings
from ...oracles import chains, exact
from ...oracles.exact import mp, mpf
from ...protocol import Betas

Predict = Callable[[Bounded, int], Bounded]  # (x_t, t) -> x0_hat


def through(function: Callable[..., Bounded], *given: Bounded) -> Bounded:
    """Return a linear function of bounded arguments: its own error and theirs, magnified."""
    found = function(*(each.exact for each in given))
    error = found.error
    for i, each in enumerate(given):
        if each.error:
            unit = function(*(mpf(i == k) for k in range(len(given))))
            error += abs(unit.exact) * each.error
    return Bounded(found.exact, error)


def certain(x: float) -> Bounded:
    return Bounded(mpf(float(x)), mpf(0))


def line(slope: float, offset: float) -> Predict:
    """Return the denoiser slope x_t + offset t, with two roundings of each term."""

    def sum_of(x: mpf, shift: mpf) -> Bounded:
        return Bounded(slope * x + shift, 2 * (abs(slope * x) + abs(shift)))

    return lambda x_t, t: through(sum_of, x_t, certain(offset * t))


def trajectory(path: chains.Path, predict: Predict, x: Bounded, noises: Sequence[float]) -> Bounded:
    """Return the state at the last of path.times; a step without noise in `noises` has none."""
    before: list[tuple[int, Bounded]] = []
    for k, (t, s) in enumerate(pairwise(path.times)):
        per, noise = roundings(path.betas, False, s, t), certain(noises[k] if noises[k:] else 0)
        prediction = used = predict(x, t)
        if path.sampler == "dpm++2m" and before:
            ((above, last),) = before

            def order_2(now: mpf, last: mpf, s=s, t=t, above=above, per=per) -> Bounded:
                return extrapolated(path, s, t, above, now, last, per)

            used = through(order_2, prediction, last)

        def order_1(x0_hat: mpf, x_t: mpf, z: mpf, s=s, t=t, per=per) -> Bounded:
            return one_step(path, s, t, x0_hat, x_t, z, per)

        end = through(order_1, used, x, noise)
        if path.sampler == "heun" and s:

            def more(x: mpf, x0: mpf, y: mpf, y0: mpf, s=s, t=t, per=per) -> Bounded:
                change = heun_correction(path, s, t, (x, x0), (y, y0), per)
                return Bounded(y + change.exact, change.error + 2 * abs(y))

            end = through(more, x, prediction, end, predict(end, s))
        before, x = [(t, prediction)], end
    return x


def inverted(betas: Betas, rising: Sequence[int], predict: Predict, x: Bounded) -> Bounded:
    """Return DDIM inversion from rising[0] to rising[-1]. Eq. ddim.invert.

    The noise is predicted at the earlier timestep; from the data, at rising[1], and x_0 is x.
    """
    for s, t in pairwise(rising):
        at, to = exact.kernel(betas, 0, s or t), exact.kernel(betas, 0, t)
        per = roundings(betas, False, s, t)

        def step(x_s: mpf, x0_hat: mpf, s=s, at=at, to=to, per=per) -> Bounded:
            ratio, data = mp.sqrt(to.var / at.var), x0_hat if s else x_s
            size = to.scale * abs(data) + ratio * (abs(x_s) + at.scale * abs(x0_hat))
            return Bounded(to.scale * data + ratio * (x_s - at.scale * x0_hat), 2 * per * size)

        x = through(step, x, predict(x, s or t))
    return x
