"""Noise schedules: the variances of signal and noise at each timestep t = 0..T."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import torch
from jaxtyping import Float64
from torch import Tensor

from ddpm_core.clock import Time, check_pair, check_time, gather

NEEDS_TWO = "zero terminal SNR needs T >= 2; with T = 1 no noisy timestep would hold any signal"
LOG_TINY = math.log(torch.finfo(torch.float32).tiny)
LINEAR_REFERENCE_T = 1000  # Ho et al.'s T, at which linear's end points are quoted


@dataclass(frozen=True, eq=False)
class Schedule:
    """Variance-preserving schedule over t = 0..T, with alpha_bar_0 = 1.

    Only log(alpha_bar) is stored, in float64 on the CPU, so derived coefficients cannot disagree.
    Each is float64 and within 8 u kappa of the exact value. Eq. schedules.alpha-bar.
    Methods take one int, or an int64 tensor of shape (batch,), and return a tensor of that shape.
    """

    log_alpha_bar: Float64[Tensor, " timesteps"]  # T + 1 entries

    def __post_init__(self) -> None:
        table = self.log_alpha_bar
        if not isinstance(table, Tensor) or table.dtype != torch.float64 or table.ndim != 1:
            raise TypeError("log_alpha_bar must be float64, (T + 1,); see Schedule.from_betas")
        if table.shape[0] < 2 or table.device.type != "cpu" or table[0] != 0:
            raise ValueError(
                f"log_alpha_bar (shape {tuple(table.shape)}, on {table.device}) must be on the "
                "CPU, with log_alpha_bar[0] = 0 (t = 0 is data) and T >= 1 more entries"
            )
        decreases = table[1:] < table[:-1]  # False for NaN, too
        if not decreases.all():
            t = int((~decreases).nonzero()[0]) + 1
            raise ValueError(
                f"alpha_bar must decrease strictly, but log_alpha_bar[{t}] = {table[t]:.17g} is "
                f"not below log_alpha_bar[{t - 1}] = {table[t - 1]:.17g}"
            )
        if LOG_TINY > table[-1] > -math.inf:
            raise ValueError(f"alpha_bar_T = exp({table[-1]:g}) underflows; use smaller betas")
        if table[-1] == -math.inf and self.T < 2:
            raise ValueError(NEEDS_TWO)
        object.__setattr__(self, "log_alpha_bar", table.detach().clone())

    # --- constructors ---------------------------------------------------------------------------

    @classmethod
    def from_betas(cls, betas: Sequence[float] | Tensor) -> "Schedule":
        """Build with alpha_bar_t = prod_{i <= t} (1 - beta_i). Eq. schedules.log-alpha-bar."""
        values = _as_floats("betas", betas)
        for i, beta in enumerate(values):
            if not 0 < beta < 1:  # not _check_beta, to format no text for a thousand valid betas
                raise ValueError(_outside(f"betas[{i}] = {beta:g} (t = {i + 1})"))
        return cls(_running_sum(math.log1p(-beta) for beta in values))

    @classmethod
    def from_alpha_bar(cls, alpha_bar: Sequence[float] | Tensor) -> "Schedule":
        """Build from alpha_bar_1..alpha_bar_T. Eq. schedules.alpha-bar."""
        values = _as_floats("alpha_bar", alpha_bar)
        for i, (above, here) in enumerate(zip([1.0, *values], values, strict=False)):
            if not 0 < here < above:
                raise ValueError(
                    f"alpha_bar[{i}] = {here:.17g} (t = {i + 1}) is outside (0, {above:.17g}); "
                    "alpha_bar must decrease strictly from alpha_bar_0 = 1, which is not passed. "
                    "For alpha_bar_T = 0 call .with_zero_terminal_snr()"
                )
        log_alpha_bar = [0.0, *(math.log(each) for each in values)]
        return cls(torch.tensor(log_alpha_bar, dtype=torch.float64, device="cpu"))

    @classmethod
    def linear(
        cls, T: int = 1000, beta_1: float = 1e-4, beta_T: float = 0.02, *, rescale: bool = True
    ) -> "Schedule":
        """Build with beta_t in equal steps from beta_1 to beta_T.

        Eq. schedules.linear; Ho et al. (2020), section 4. The end points are those at T = 1000 and
        are multiplied by 1000 / T, so alpha_bar_T hardly depends on T; rescale=False uses them
        literally. Raises ValueError if a beta is outside (0, 1), as with the defaults below T = 21.
        """
        _check_T(T, least=2, hint="use Schedule.from_betas([beta]) for a one-step schedule")
        scale = Fraction(LINEAR_REFERENCE_T, T) if rescale else Fraction(1)
        first, last = _exact("beta_1", beta_1) * scale, _exact("beta_T", beta_T) * scale
        for name, typed, beta in (("beta_1", beta_1, first), ("beta_T", beta_T, last)):
            how = f" * 1000 / {T} = {float(beta):g}" if rescale else ""
            hint = "; pass a larger T, smaller end points, or rescale=False" if rescale else ""
            _check_beta(f"{name} = {typed:g}{how}", beta, hint)
        betas = (first + (last - first) * (t - 1) / (T - 1) for t in range(1, T + 1))
        return cls(_running_sum(map(_log_one_minus, betas)))

    @classmethod
    def cosine(cls, T: int = 1000, s: float = 0.008, max_beta: float = 0.999) -> "Schedule":
        """Build with alpha_bar_t = f(t) / f(0), f(t) = cos^2((t/T + s) / (1 + s) * pi/2).

        Eq. schedules.cosine; Nichol & Dhariwal (2021), Eq. 17. Betas are capped: beta_t =
        min(1 - f(t)/f(t-1), max_beta).
        """
        _check_T(T)
        offset = _exact("s", s)
        if offset < 0:
            raise ValueError(f"s = {s:g} is negative; cosine's offset must be at least 0")
        step = 1 / (T * (1 + offset))  # exact angles, in units of pi / 2
        log_alphas = []
        for t in range(1, T + 1):
            left = (T - t) * step  # the angle left until f = 0: sqrt(f(t)) = sin(left)
            before = _sin(left + step)
            # sin(a) - sin(b) = 2 cos((a + b) / 2) sin((a - b) / 2): no cancellation.
            one_minus_root = 2 * _sin(1 - left - step / 2) * _sin(step / 2) / before
            log_alphas.append(2 * _log_from_either(_sin(left) / before, one_minus_root))
        return cls(_running_sum(_capped(log_alphas, max_beta)))

    @classmethod
    def sigmoid(
        cls,
        T: int = 1000,
        start: float = -3.0,
        end: float = 3.0,
        tau: float = 1.0,
        max_beta: float = 0.999,
    ) -> "Schedule":
        """Build with alpha_bar_t = (g(end) - g(x_t)) / (g(end) - g(start)), g a logistic function.

        g(x) = 1 / (1 + e^(-x / tau)); x_t goes in equal steps from start to end; betas are capped.
        Eq. schedules.sigmoid; Jabri et al. (2023, arXiv:2212.11972), Algorithm 4.
        """
        _check_T(T)
        low, high = _exact("start", start), _exact("end", end)
        if low >= high or _exact("tau", tau) <= 0:
            raise ValueError(
                f"start = {start:g}, end = {end:g}, tau = {tau:g}: sigmoid needs start < end and "
                "tau > 0"
            )
        low, high = low / _exact("tau", tau), high / _exact("tau", tau)
        if max(-low, high) > 600:  # exp overflows above 709
            raise ValueError(
                f"start / tau = {float(low):g} and end / tau = {float(high):g} must lie within "
                "-600..600; the sigmoid is flat beyond. Pass a larger tau"
            )
        log_alphas = []
        for t in range(1, T + 1):
            above, here = (low + (high - low) * i / T for i in (t - 1, t))
            # g(b) - g(a) = (1 - e^(a - b)) / ((1 + e^a) (1 + e^-b)): no cancellation.
            denominator = math.expm1(above - high)
            alpha = math.expm1(here - high) / denominator * ((1 + _exp(above)) / (1 + _exp(here)))
            beta = math.expm1(above - here) / denominator * ((1 + _exp(-high)) / (1 + _exp(-here)))
            log_alphas.append(_log_from_either(alpha, beta))
        return cls(_running_sum(_capped(log_alphas, max_beta)))

    def with_zero_terminal_snr(self) -> "Schedule":
        """Shift and scale sqrt(alpha_bar) so that alpha_bar_T = 0 and alpha_bar_1 is unchanged.

        Eq. schedules.zero-terminal-snr; Lin et al. (2024, arXiv:2305.08891), Algorithm 1. This is
        the only way to beta_T = 1; it needs T >= 2, and a second call changes nothing. Predict x0
        or v then: at t = T neither eps nor the score determines x_0.
        """
        if self.has_zero_terminal_snr:
            return self
        if self.T < 2:
            raise ValueError(NEEDS_TWO)
        log_root = self.log_alpha_bar[1:] / 2
        first, last = log_root[0], log_root[-1]
        # sqrt(alpha_bar_t) / sqrt(alpha_bar_1) before and after: (r_t - r_T) / (1 - r_T).
        one_minus_ratio = (log_root - first).expm1() / (last - first).expm1()
        ratio = (log_root - first).exp() * (last - log_root).expm1() / (last - first).expm1()
        log_ratio = torch.where(one_minus_ratio < 0.5, (-one_minus_ratio).log1p(), ratio.log())
        return Schedule(torch.cat([torch.zeros_like(log_ratio[:1]), 2 * (first + log_ratio)]))

    # --- derived quantities ---------------------------------------------------------------------

    @property
    def T(self) -> int:
        """The number of noisy timesteps."""
        return self.log_alpha_bar.shape[0] - 1

    @property
    def has_zero_terminal_snr(self) -> bool:
        """Whether alpha_bar_T = 0, so that x_T does not depend on x_0."""
        return bool(self.log_alpha_bar[-1] == -math.inf)

    def alpha_bar(self, t: Time) -> Float64[Tensor, "*batch"]:
        """Return alpha_bar_t, the squared scale of x_0 at t in 0..T. Eq. schedules.alpha-bar."""
        return self._log_alpha_bar(t).exp()

    def one_minus_alpha_bar(self, t: Time) -> Float64[Tensor, "*batch"]:
        """Return 1 - alpha_bar_t, t in 0..T, without cancellation. Eq. schedules.one-minus-sum."""
        return -self._log_alpha_bar(t).expm1()

    def log_snr(self, t: Time) -> Float64[Tensor, "*batch"]:
        """Return the log-SNR in nats, t in 1..T; -inf at zero SNR. Eq. schedules.log-snr."""
        log_alpha_bar = self._log_alpha_bar(t, lowest=1)
        return log_alpha_bar - (-log_alpha_bar.expm1()).log()

    def beta(self, t: Time) -> Float64[Tensor, "*batch"]:
        """Return beta_t, the variance added by the step t-1 -> t, t in 1..T. Eq. schedules.beta."""
        check_time("t", t, 1, self.T, self.T)
        return self.beta_between(t - 1, t)

    def alpha(self, s: Time, t: Time) -> Float64[Tensor, "*batch"]:
        """Return alpha_ts = alpha_bar_t / alpha_bar_s, s < t. Eq. schedules.alpha-between."""
        return self.log_alpha(s, t).exp()

    def beta_between(self, s: Time, t: Time) -> Float64[Tensor, "*batch"]:
        """Return beta_ts = 1 - alpha_ts, the variance added, s < t. Eq. schedules.beta-between."""
        return -self.log_alpha(s, t).expm1()

    def log_alpha(self, s: Time, t: Time) -> Float64[Tensor, "*batch"]:
        """Return log alpha_ts in nats, 0 <= s < t <= T. Eq. schedules.alpha-between."""
        check_pair(s, t, self.T)
        return self._log_alpha_bar(t) - self._log_alpha_bar(s)

    def _log_alpha_bar(self, t: Time, lowest: int = 0) -> Float64[Tensor, "*batch"]:
        check_time("t", t, lowest, self.T, self.T)
        return gather(self.log_alpha_bar, t)


# --- numerics of the constructors: exact inputs, compensated sums, no cancellation ---------------


def _exact(name: str, value: float) -> Fraction:
    """Return the decimal that the caller typed: 0.1 means one tenth, not its nearest float."""
    if not math.isfinite(value):
        raise ValueError(f"{name} = {value} must be finite")
    return Fraction(repr(float(value)))


def _as_floats(name: str, values: Sequence[float] | Tensor) -> list[float]:
    table = torch.as_tensor(values, dtype=torch.float64, device="cpu").detach()
    if table.ndim != 1 or table.shape[0] < 1:
        raise ValueError(
            f"{name} has shape {tuple(table.shape)}; it must be (T,) with T >= 1, one entry for "
            "each of t = 1..T"
        )
    return list(table.tolist())


def _check_T(T: int, least: int = 1, hint: str = "at least one noisy timestep is needed") -> None:
    if isinstance(T, bool) or not isinstance(T, int):
        raise TypeError(f"T = {T!r} is a {type(T).__name__}; the number of timesteps is an int")
    if least > T:
        raise ValueError(f"T = {T} is below {least}; {hint}")


def _check_beta(what: str, beta: float | Fraction, hint: str = "") -> None:
    if not 0 < beta < 1:  # False for NaN, too
        raise ValueError(_outside(what, hint))


def _outside(what: str, hint: str = "") -> str:
    return (
        f"{what} is outside (0, 1), so alpha_bar would not decrease strictly above 0{hint}. "
        "beta_T = 1 is reached only through .with_zero_terminal_snr()"
    )


def _sin(angle: Fraction) -> float:
    """Return the sine of an angle given in units of pi / 2."""
    return math.sin(math.pi / 2 * float(angle))


def _exp(x: Fraction) -> float:
    """Return e^x to the last bits; the rounding of x to a float is corrected."""
    near = float(x)
    return math.exp(near) * (1 + float(x - Fraction(near)))


def _log_one_minus(beta: Fraction) -> float:
    return math.log1p(-float(beta)) if beta < Fraction(1, 2) else math.log(float(1 - beta))


def _log_from_either(value: float, one_minus: float) -> float:
    """Return log(value) from value or 1 - value, whichever is better conditioned; -inf at 0."""
    if one_minus < 0.5:
        return math.log1p(-one_minus)
    return math.log(value) if value > 0 else -math.inf


def _running_sum(terms: Iterable[float]) -> Tensor:
    """Return the table of running sums with Neumaier's compensation: each to about 2 u."""
    total = compensation = 0.0
    sums = [0.0]
    for term in terms:
        larger, smaller = (total, term) if abs(total) >= abs(term) else (term, total)
        total += term
        compensation += (larger - total) + smaller
        sums.append(total + compensation)
    return torch.tensor(sums, dtype=torch.float64, device="cpu")


def _capped(log_alphas: Iterable[float], max_beta: float) -> Iterable[float]:
    """Return log(1 - min(beta_t, max_beta)) for each log(1 - beta_t)."""
    _check_beta(f"max_beta = {max_beta:g}", max_beta)
    least = _log_one_minus(_exact("max_beta", max_beta))
    return [max(each, least) for each in log_alphas]
