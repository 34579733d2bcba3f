"""Gaussian paths x = alpha x_0 + sigma eps at real times: our process, in another unit and clock.

Divided by sqrt(alpha^2 + sigma^2), a sample on the path is a sample of the process whose log-SNR is
2 log(alpha / sigma). So one map lets schedules, samplers and denoisers serve every path.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal, get_args

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from ddpm_core._types import Prediction, check_event, check_same_event, compute_dtype, expand_to
from ddpm_core.clock import Time, check_time, gather
from ddpm_core.denoiser import Network, network_output
from ddpm_core.schedules import Schedule

PathParameterization = Literal["eps", "x0", "v", "score", "velocity"]
PATH_PARAMETERIZATIONS: tuple[PathParameterization, ...] = get_args(PathParameterization)


@dataclass(frozen=True, eq=False)
class GaussianPath:
    """x = alpha x_0 + sigma eps at the timesteps t = 0..T. Eq. gaussian-path.sample.

    Five float64 tables (T + 1,) on the CPU: the real time of each timestep, alpha and sigma, and
    their derivatives by time. Timestep 0 is data, with alpha = 1 and sigma = 0; its derivatives are
    not used. `schedule` is the process of the same log-SNR, on which all samplers run. Raises
    ValueError unless sigma / alpha increases; alpha_T may be 0.
    """

    times: Float64[Tensor, " timesteps"]
    alpha: Float64[Tensor, " timesteps"]
    sigma: Float64[Tensor, " timesteps"]
    alpha_dot: Float64[Tensor, " timesteps"]
    sigma_dot: Float64[Tensor, " timesteps"]
    schedule: Schedule = field(init=False)

    def __post_init__(self) -> None:
        shape = tuple(self.times.shape)
        for name in ("times", "alpha", "sigma", "alpha_dot", "sigma_dot"):
            table = getattr(self, name)
            if table.dtype != torch.float64 or table.ndim != 1 or tuple(table.shape) != shape:
                raise ValueError(
                    f"{name} has dtype {table.dtype} and shape {tuple(table.shape)}; every table "
                    f"is float64, (T + 1,), and times has shape {shape}"
                )
            object.__setattr__(self, name, table.detach().cpu().clone())
        if len(self.times) < 2 or self.alpha[0] != 1 or self.sigma[0] != 0:
            raise ValueError(
                "a path begins with data: alpha[0] = 1 and sigma[0] = 0, then T >= 1 more entries"
            )
        alpha, sigma = self.alpha[1:], self.sigma[1:]
        turn = self._determinant("velocity", torch.arange(1, len(self.times), device="cpu"))
        for holds, rule in (
            ((alpha >= 0) & (sigma > 0) & sigma.isfinite(), "alpha >= 0 and a finite sigma > 0"),
            ((turn != 0) & turn.isfinite(), "derivatives that change alpha / sigma"),
        ):
            if not holds.all():
                t = int((~holds).nonzero()[0]) + 1
                entries = ", ".join(
                    f"{name} = {getattr(self, name)[t]:g}"
                    for name in ("alpha", "sigma", "alpha_dot", "sigma_dot")
                )
                raise ValueError(
                    f"times[{t}] = {self.times[t]:g} has {entries}; a path needs {rule}"
                )
        try:
            schedule = Schedule(-(self.sigma / self.alpha).square().log1p())
        except ValueError as refused:
            raise ValueError(
                "sigma / alpha of a path must increase from each timestep to the next, because "
                f"noise is only added. ({refused})"
            ) from None
        object.__setattr__(self, "schedule", schedule)

    # --- three paths ----------------------------------------------------------------------------

    @classmethod
    def straight(cls, times: Sequence[float] | Tensor) -> "GaussianPath":
        """Build with alpha = 1 - tau and sigma = tau, the straight path of flow matching.

        times: tau_1 < ... < tau_T in (0, 1]; data are at 0. Eq. gaussian-path.straight; Lipman et
        al. (2023, arXiv:2210.02747), whose time runs the other way.
        """
        tau = _from_data(times)
        one = torch.ones_like(tau)
        return cls(tau, 1 - tau, tau, -one, one)

    @classmethod
    def ve(cls, sigmas: Sequence[float] | Tensor) -> "GaussianPath":
        """Build with alpha = 1 and sigma = tau, the variance-exploding path in EDM's time.

        sigmas: tau_1 < ... < tau_T, the standard deviations of the noise in units of the data.
        Eq. gaussian-path.ve; Karras et al. (2022, arXiv:2206.00364), section 3.
        """
        tau = _from_data(sigmas)
        one = torch.ones_like(tau)
        return cls(tau, one, tau, torch.zeros_like(tau), one)

    @classmethod
    def vp(
        cls, times: Sequence[float] | Tensor, beta_min: float = 0.1, beta_max: float = 20.0
    ) -> "GaussianPath":
        """Build with alpha^2 = exp(-int_0^tau beta) and sigma^2 = 1 - alpha^2.

        times: tau_1 < ... < tau_T in (0, 1]; beta increases linearly from beta_min at 0 to beta_max
        at 1, in units of 1 / time. Eq. gaussian-path.vp; Song et al. (2021, arXiv:2011.13456), Eq.
        32 and 33.
        """
        if not 0 <= beta_min <= beta_max < torch.inf or beta_max == 0:
            raise ValueError(
                f"beta_min = {beta_min:g}, beta_max = {beta_max:g}; a path needs 0 <= beta_min <= "
                "beta_max, and beta_max > 0"
            )
        tau = _from_data(times)
        beta = beta_min + (beta_max - beta_min) * tau
        log_alpha = -tau * (beta_min + beta) / 4
        alpha, sigma = log_alpha.exp(), (-(2 * log_alpha).expm1()).sqrt()
        return cls(tau, alpha, sigma, -beta * alpha / 2, beta * alpha.square() / (2 * sigma))

    # --- the map --------------------------------------------------------------------------------

    def unit(self, t: Time) -> Float64[Tensor, "*batch"]:
        """Return sqrt(alpha^2 + sigma^2) at t in 0..T. Eq. gaussian-path.unit."""
        check_time("t", t, 0, self.schedule.T, self.schedule.T)
        return gather(torch.hypot(self.alpha, self.sigma), t)

    def to_process(
        self, x: Float[Tensor, " batch *event"], t: Time
    ) -> Float[Tensor, " batch *event"]:
        """Return the sample of the process, x divided by the unit. Eq. gaussian-path.map."""
        return _combined((1 / self.unit(t), x))

    def from_process(
        self, x_t: Float[Tensor, " batch *event"], t: Time
    ) -> Float[Tensor, " batch *event"]:
        """Return the sample on the path, x_t times the unit. Eq. gaussian-path.map."""
        return _combined((self.unit(t), x_t))

    def sample(
        self,
        x_0: Float[Tensor, " batch *event"],
        t: Time,
        noise: Float[Tensor, " batch *event"],
    ) -> Float[Tensor, " batch *event"]:
        """Return x = alpha x_0 + sigma noise at t in 0..T. Eq. gaussian-path.sample."""
        check_same_event("noise", noise, "x_0", x_0)
        check_time("t", t, 0, self.schedule.T, self.schedule.T, x_0)
        return _combined((gather(self.alpha, t), x_0), (gather(self.sigma, t), noise))

    # --- predictions ----------------------------------------------------------------------------

    def target(
        self,
        parameterization: PathParameterization,
        x_0: Float[Tensor, " batch *event"],
        noise: Float[Tensor, " batch *event"],
        t: Time,
    ) -> Float[Tensor, " batch *event"]:
        """Return the training target of a network at x = sample(x_0, t, noise), t in 1..T.

        Eq. gaussian-path.velocity: the velocity is dx/dtau = alpha_dot x_0 + sigma_dot noise.
        """
        _check_parameterization("parameterization", parameterization)
        check_same_event("noise", noise, "x_0", x_0)
        check_time("t", t, 1, self.schedule.T, self.schedule.T, x_0)
        of_x0, of_noise = self._form(parameterization, t)
        return _combined((of_x0, x_0), (of_noise, noise))

    def convert(
        self,
        source: PathParameterization,
        target: PathParameterization,
        value: Float[Tensor, " batch *event"],
        x: Float[Tensor, " batch *event"],
        t: Time,
    ) -> Float[Tensor, " batch *event"]:
        """Convert `value` from `source` to `target` at the sample x on the path, t in 1..T.

        Eq. gaussian-path.convert: x and every prediction are linear in (x_0, eps), so that two of
        them determine a third. Raises ValueError from eps or score where alpha_T = 0.
        """
        _check_parameterization("source", source)
        _check_parameterization("target", target)
        check_same_event("value", value, "x", x)
        highest = self.schedule.T - (source in ("eps", "score") and self.alpha[-1].item() == 0)
        check_time("t", t, 1, highest, self.schedule.T, x)
        if source == target:
            return value
        (of_x0, of_noise), (to_x0, to_noise) = self._form(source, t), self._form(target, t)
        alpha, sigma = gather(self.alpha, t), gather(self.sigma, t)
        determinant = self._determinant(source, t)
        coef_x = (to_x0 * of_noise - to_noise * of_x0) / determinant
        coef_value = (alpha * to_noise - sigma * to_x0) / determinant
        return _combined((coef_x, x), (coef_value, value))

    def _form(self, name: PathParameterization, t: Time) -> tuple[Tensor, Tensor]:
        """Return (p, q) such that the prediction is p x_0 + q eps."""
        alpha, sigma = gather(self.alpha, t), gather(self.sigma, t)
        zero, one = torch.zeros_like(alpha), torch.ones_like(alpha)
        match name:
            case "eps":
                return zero, one
            case "x0":
                return one, zero
            case "v":
                unit = torch.hypot(alpha, sigma)
                return -sigma / unit, alpha / unit
            case "score":
                return zero, -1 / sigma
            case "velocity":
                return gather(self.alpha_dot, t), gather(self.sigma_dot, t)

    def _determinant(self, name: PathParameterization, t: Time) -> Tensor:
        """Return the determinant of the forms of x and of the prediction."""
        of_x0, of_noise = self._form(name, t)
        return gather(self.alpha, t) * of_noise - gather(self.sigma, t) * of_x0


@dataclass(frozen=True)
class PathDenoiser:
    """The denoiser of a network on a path, for the samplers of the process `path.schedule`.

    The network is called as network(x, tau) or network(x, tau, labels): x on the path, in the dtype
    of its parameters; tau the real times, (batch,), in float32 or float64. Eq. gaussian-path.map.
    """

    path: GaussianPath
    network: Network
    parameterization: PathParameterization = "velocity"
    keeps_input: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_parameterization("parameterization", self.parameterization)

    def __call__(
        self,
        x_t: Float[Tensor, " batch *event"],
        t: Time,
        cond: Int[Tensor, " batch"] | None = None,
    ) -> Prediction:
        """Return the prediction at the sample x_t of the process, t in 1..T."""
        check_time("t", t, 1, self.path.schedule.T, self.path.schedule.T, x_t)
        x = self.path.from_process(x_t.to(compute_dtype(x_t)), t)
        times = torch.full(x.shape[:1], t, device="cpu") if isinstance(t, int) else t
        tau = gather(self.path.times, times).to(x)
        value = network_output(self.network, x, tau, cond, None, 1)
        x0_hat = self.path.convert(self.parameterization, "x0", value, x, t)
        return Prediction(x0_hat.to(x_t.dtype))


def _combined(*terms: tuple[Tensor, Tensor]) -> Tensor:
    """Return the sum of coefficients times samples, in their dtype, rounded to it once."""
    (first, x), *others = terms
    check_event("x", x)
    work = compute_dtype(x)
    total = expand_to(first, x) * x.to(work)
    for coefficient, value in others:
        total = total.addcmul_(expand_to(coefficient, value), value.to(work))
    return total.to(x.dtype)


def _from_data(times: Sequence[float] | Tensor) -> Tensor:
    """Return 0 and the times as a table; refuse it unless it increases."""
    given = torch.as_tensor(times, dtype=torch.float64, device="cpu").detach()
    if given.ndim != 1 or len(given) == 0:
        raise ValueError(f"times has shape {tuple(given.shape)}; it must be (T,) with T >= 1")
    table = torch.cat([torch.zeros_like(given[:1]), given])
    for t in range(1, len(table)):
        if not table[t - 1] < table[t] < torch.inf:  # True for NaN, too
            raise ValueError(
                f"times[{t - 1}] = {table[t]:g} (t = {t}) is not above {table[t - 1]:g}; times are "
                "finite and increase from data, which are at 0 and are not passed"
            )
    return table


def _check_parameterization(name: str, value: str) -> None:
    if value not in PATH_PARAMETERIZATIONS:
        raise ValueError(
            f"{name} = {value!r} is unknown; it must be one of {PATH_PARAMETERIZATIONS}"
        )
