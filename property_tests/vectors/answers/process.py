"""Exact forward process, posterior, reverse kernels and conversions."""

from ...options.denoisers import Bounded
from ...options.terms import learned_kernel as exact_learned_kernel
from ...oracles import exact
from ...oracles.exact import Value, mp, mpf, positive, product
from ...protocol import Array, Betas, Times
from .elements import Answers, At, at_pairs, each
from .trajectories import certain


def q_marginal(betas: Betas, x_0: Array, t: Times) -> tuple[Answers, ...]:
    return q_step(betas, x_0, 0 * t, t)


def q_step(betas: Betas, x_s: Array, s: Times, t: Times) -> tuple[Answers, ...]:
    def mean(where: At, s: int, t: int) -> Value:
        return product(exact.kernel(betas, s, t).scale, x_s[where])

    def var(where: At, s: int, t: int) -> Value:
        return positive(exact.kernel(betas, s, t).var)

    return tuple(at_pairs(betas, s, t, x_s, part) for part in (mean, var))


def q_sample(betas: Betas, x_0: Array, t: Times, noise: Array) -> Answers:
    def x_t(where: At, s: int, t: int) -> Value:
        return exact.diffuse(betas, t, x_0[where], noise[where])

    return at_pairs(betas, 0 * t, t, x_0, x_t)


def q_posterior(betas: Betas, x_0: Array, x_t: Array, s: Times, t: Times) -> tuple[Answers, ...]:
    def mean(where: At, s: int, t: int) -> Value:
        return exact.posterior(betas, x_0[where], x_t[where], s, t).mean

    def var(where: At, s: int, t: int) -> Value:
        found = exact.posterior(betas, x_0[where], x_t[where], s, t).var
        return Value(found, found if s else mpf(1))

    return tuple(at_pairs(betas, s, t, x_t, part) for part in (mean, var))


def reverse_kernel(
    betas: Betas, variance: str, x0_hat: Array, x_t: Array, s: Times, t: Times
) -> tuple[Answers, ...]:
    def var(where: At, s: int, t: int) -> Value:
        return positive(exact.reverse_variance(betas, variance, "beta_1", s, t)[0])

    return q_posterior(betas, x0_hat, x_t, s, t)[0], at_pairs(betas, s, t, x_t, var)


def convert(betas: Betas, source: str, target: str, value: Array, x_t: Array, t: Times) -> Answers:
    def converted(where: At, s: int, t: int) -> Value:
        return exact.convert(betas, source, target, value[where], x_t[where], t)

    return at_pairs(betas, 0 * t, t, x_t, converted)


def convert_data(betas: Betas, source: str, target: str, value: Array, x_0: Array) -> Answers:
    answers = x_0 if target == "x0" else value  # at t = 0 x_t is x_0, and v is eps
    return each(x_0, lambda at: certain(answers[at]))


def target(betas: Betas, name: str, x_0: Array, noise: Array, t: Times) -> Answers:
    def of(where: At, s: int, t: int) -> Value:
        x_t = exact.diffuse(betas, t, x_0[where], noise[where]).exact
        size = abs(mpf(x_0[where])) + abs(mpf(noise[where]))
        size /= mp.sqrt(exact.kernel(betas, 0, t).var) if name == "score" else 1
        return Value(exact.convert(betas, "x0", name, x_0[where], x_t, t).exact, size)

    return at_pairs(betas, 0 * t, t, x_0, of)


def learned_kernel(
    betas: Betas, x0_hat: Array, x_t: Array, interpolation: Array, s: Times, t: Times
) -> tuple[Answers, ...]:
    def var(at: At) -> Bounded:
        given = mpf(interpolation[at]), certain(x0_hat[at]), mpf(x_t[at])
        kernel = exact_learned_kernel(betas, *given, int(s[at[0]]), int(t[at[0]]))
        return Bounded(kernel.var, kernel.relative * kernel.var)

    return q_posterior(betas, x0_hat, x_t, s, t)[0], each(x_t, var)
