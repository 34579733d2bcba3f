"""How far are schedule coefficients from the exact ones? Writes docs/accuracy.md.

Everyone is compared with 50 digits of the schedule that it was asked for: ddpm-core with its
decimal arguments, tables of betas with the betas at hand, azula with its own closed forms.
"""

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor

from ddpm_core import Schedule, q_posterior
from property_tests.oracles import schedules as exact
from property_tests.oracles.schedules import Levels, mp, mpf

T = 1000
PEERS = {  # and how to install each; azula itself would pull torchvision in
    "diffusers": "pip install -e '.[bench]'",
    "azula": "pip install --no-deps azula",
}
COMMAND = "python -m benchmarks.accuracy"
PAGE = """# How exact are the coefficients?

The tables show the worst error over all t of three quantities, against 50-digit arithmetic, in
units in the last place (ulp) of the precision in the second column; correct rounding gives at most
0.5. The posterior variance is that of q(x_(t-1) | x_t, x_0), t >= 2. Each row is compared with the
very schedule that it was asked for, so the choice of betas is no part of the error: ddpm-core with
its decimal arguments, a table of betas with those betas, azula with its own closed forms (another
process, in continuous time and with a noise floor; here at t / {T} in float32). "Cast" means
rounded to float32 at the very end, as when float64 coefficients meet float32 data: there a float64
cumprod serves as well as ddpm-core does. In float64 ddpm-core's posterior variance pays for keeping
one logarithm per t: its relative error is a few roundings times |log alpha_bar_t| / beta_t.

{tables}
Versions: {versions}.{missing}

Made by `{command}` in the top folder, after `pip install -e '.[verify,bench]'` and
`{azula}`.
"""
HEAD = """## {title}, T = {T}

| | precision | alpha_bar | 1 - alpha_bar | posterior variance |
|---|---|---|---|---|
{rows}
"""


@dataclass(frozen=True)
class Row:
    """alpha_bar and 1 - alpha_bar at t = 1..T, the posterior variance at t = 2..T."""

    who: str
    got: tuple[Tensor, Tensor, Tensor]
    want: tuple[Levels, Levels, Levels]
    precision: type[np.floating]

    def cast(self) -> "Row":
        rounded = tuple(each.float() for each in self.got)
        return replace(self, who=f"{self.who}, cast", got=rounded, precision=np.float32)

    def __str__(self) -> str:
        errors = [self.worst(i, first_t) for i, first_t in enumerate((1, 1, 2))]
        return f"| {' | '.join([self.who, self.precision.__name__, *errors])} |"

    def worst(self, column: int, first_t: int) -> str:
        want = self.want[column]
        ulp = np.spacing(np.array([float(each) for each in want]).astype(self.precision))
        pairs = zip(self.got[column].tolist(), want, strict=True)
        errors = np.array([abs(float(mpf(got) - exactly)) for got, exactly in pairs]) / ulp
        i = int(errors.argmax())
        size = f"{errors[i]:.2f}" if errors[i] < 10 else f"{errors[i]:,.0f}"
        return f"{size} (t = {i + first_t})"


def wanted(alpha_bar: Levels) -> tuple[Levels, Levels, Levels]:
    var = [exact.posterior(alpha_bar, t - 1, t)[2] for t in range(2, T + 1)]
    return alpha_bar[1:], [1 - each for each in alpha_bar[1:]], var


def ddpm_core(schedule: Schedule, alpha_bar: Levels) -> Row:
    t = torch.arange(1, T + 1)
    x = torch.zeros(T - 1, 1, dtype=torch.float64)
    var = q_posterior(schedule, x, x, t[:-1], t[1:]).var[:, 0]
    got = schedule.alpha_bar(t), schedule.one_minus_alpha_bar(t), var
    return Row("ddpm-core", got, wanted(alpha_bar), np.float64)


def textbook(betas: Tensor) -> Row:
    """alpha_bar = cumprod(1 - beta), and the posterior variance as the paper prints it."""
    alpha_bar = torch.cumprod(1 - betas, 0)
    one_minus = 1 - alpha_bar
    got = alpha_bar, one_minus, betas[1:] * one_minus[:-1] / one_minus[1:]
    precision = np.float32 if betas.dtype == torch.float32 else np.float64
    return Row("cumprod(1 - beta)", got, wanted(exact.from_betas(betas.tolist())), precision)


def diffusers(beta_schedule: str) -> Row:
    from diffusers import DDPMScheduler

    scheduler = DDPMScheduler(T, beta_schedule=beta_schedule)
    alpha_bar = scheduler.alphas_cumprod
    var = torch.stack([scheduler._get_variance(t) for t in range(1, T)])  # its t starts at 0
    want = wanted(exact.from_betas(scheduler.betas.tolist()))
    return Row("diffusers DDPMScheduler", (alpha_bar, 1 - alpha_bar, var), want, np.float32)


def azula(name: str, exact_alpha: Callable[[mpf, mpf], mpf]) -> Row:
    """Its alpha^2 and sigma^2, and the variance of the noise that its DDPMSampler adds."""
    from azula import noise, sample

    schedule = getattr(noise, name)()
    times = torch.arange(1, T + 1) / T
    alpha, sigma = schedule(times)
    zero = torch.zeros(1, dtype=torch.float64)  # float64 data show the float32 factor as it is

    def denoiser(x_t: Tensor, t: Tensor) -> SimpleNamespace:
        return SimpleNamespace(mean=zero)

    denoiser.schedule = schedule
    sampler, var = sample.DDPMSampler(denoiser), []
    for s, t in pairwise(times):
        torch.manual_seed(0)
        only_noise = sampler.step(zero, t, s)
        torch.manual_seed(0)
        var.append((only_noise / torch.randn_like(zero)) ** 2)

    least, floor = exact.decimal(schedule.alpha_min), exact.decimal(schedule.sigma_min)
    kept = [exact_alpha(mpf(t), least) ** 2 for t in times.tolist()]
    added = [1 - each + floor**2 for each in kept]
    steps = range(T - 1)
    back = [added[i] * (1 - kept[i + 1] / kept[i] * added[i] / added[i + 1]) for i in steps]
    got = alpha.double() ** 2, sigma.double() ** 2, torch.cat(var)
    return Row(f"azula {name}", got, (kept, added, back), np.float32)


def linear(peers: set[str]) -> list[Row]:
    ours = ddpm_core(Schedule.linear(T), exact.linear(T))
    double = textbook(torch.linspace(1e-4, 0.02, T, dtype=torch.float64))
    rows = [ours, ours.cast(), double, double.cast(), textbook(torch.linspace(1e-4, 0.02, T))]
    if "diffusers" in peers:
        rows.append(diffusers("linear"))
    if "azula" in peers:  # its closest: log alpha is quadratic in t
        rows.append(azula("VPSchedule", lambda t, least: least ** (t * t)))
    return rows


def cosine(peers: set[str]) -> list[Row]:
    f = [math.cos((t / T + 0.008) / 1.008 * math.pi / 2) ** 2 for t in range(T + 1)]
    betas = [min(1 - f[t] / f[t - 1], 0.999) for t in range(1, T + 1)]
    ours = ddpm_core(Schedule.cosine(T), exact.cosine(T))
    double = textbook(torch.tensor(betas, dtype=torch.float64))
    rows = [ours, ours.cast(), double, double.cast(), textbook(torch.tensor(betas))]
    if "diffusers" in peers:
        rows.append(diffusers("squaredcos_cap_v2"))
    if "azula" in peers:
        rows.append(azula("CosineSchedule", lambda t, least: mp.cos(t * mp.acos(least))))
    return rows


def page(peers: set[str]) -> str:
    tables = {"linear": linear(peers), "cosine": cosine(peers)}
    absent = sorted(PEERS.keys() - peers)
    return PAGE.format(
        T=T,
        tables="\n".join(
            HEAD.format(title=title.capitalize(), T=T, rows="\n".join(map(str, rows)))
            for title, rows in tables.items()
        ),
        versions=", ".join(
            f"{each} {version(each)}" for each in ("torch", "mpmath", *sorted(peers))
        ),
        missing=f" Not installed, so left out: {', '.join(absent)}." if absent else "",
        command=COMMAND,
        azula=PEERS["azula"],
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/accuracy.md"), help="%(default)s")
    out = parser.parse_args().out
    peers = {name for name in PEERS if find_spec(name)}
    for name in sorted(PEERS.keys() - peers):
        print(f"{name} is not importable, its rows are left out. To have them: {PEERS[name]}")
    text = page(peers)
    out.write_text(text, encoding="utf-8")
    print(f"{text}\nwritten to {out}")


if __name__ == "__main__":
    main()
