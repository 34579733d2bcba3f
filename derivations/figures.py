"""Draw the figures of the derivation pages with the library itself.

Run as: python -m derivations.figures
"""

import argparse
from pathlib import Path

import matplotlib
import numpy as np
import torch
from matplotlib import pyplot as plt

import ddpm_core as d

matplotlib.use("Agg")
plt.rcParams.update({"svg.hashsalt": "ddpm-core", "font.size": 9, "axes.spines.top": False})
plt.rcParams.update({"axes.spines.right": False, "figure.constrained_layout.use": True})
HERE = Path(__file__).resolve().parent / "images"
BLUE, ORANGE, GREY = "#2a6fbb", "#d1732a", "#7a7a7a"
SOLVERS = {"ddim": BLUE, "dpm++ 2M": ORANGE, "heun": GREY}
DATA = ((-1.0, 0.05), (1.2, 0.05))  # mean and standard deviation of two equal components


def schedules() -> None:
    """Draw alpha-bar and log-SNR of the three built-in schedules."""
    t = torch.arange(1, 1000)
    figure, (left, right) = plt.subplots(1, 2, figsize=(7, 2.6))
    for name, colour in (("linear", BLUE), ("cosine", ORANGE), ("sigmoid", GREY)):
        schedule = getattr(d.Schedule, name)()
        left.plot(t, schedule.alpha_bar(t), color=colour, label=name)
        right.plot(t, schedule.log_snr(t), color=colour)
    left.set(xlabel="t", title="fraction of the signal variance")
    right.set(xlabel="t", title="log-SNR, nats", ylim=(-12, 10))
    left.legend(frameon=False)
    _save(figure, "schedules.svg")


def posterior() -> None:
    """Draw the two factors of the posterior as densities of x_1, and their normalised product."""
    schedule = d.Schedule.from_betas([0.3, 0.4])
    x_0, x_t = torch.tensor([1.0]), torch.tensor([-0.4])
    x = np.linspace(-3, 3, 601)
    prior = d.q_marginal(schedule, x_0, 1)
    alpha, beta = (float(each) for each in (schedule.alpha(1, 2), schedule.beta_between(1, 2)))
    back = d.q_posterior(schedule, x_0, x_t, 1, 2)
    curves = (
        ("given x_0 = 1", float(prior.mean), float(prior.var), BLUE),
        ("given x_t = -0.4", float(x_t) / alpha**0.5, beta / alpha, ORANGE),
        ("given both: the posterior", float(back.mean), float(back.var), "black"),
    )
    figure, axes = plt.subplots(figsize=(7, 2.6))
    for label, mean, var, colour in curves:
        density = np.exp(-((x - mean) ** 2) / (2 * var)) / np.sqrt(2 * np.pi * var)
        axes.plot(x, density, color=colour, label=label)
    axes.set(xlabel="x at the earlier timestep", yticks=[])
    axes.spines["left"].set_visible(False)
    axes.legend(frameon=False)
    _save(figure, "posterior.svg")


def swarm(points: int = 300, T: int = 60) -> None:
    """Draw the forward process of a two-component mixture, and the reverse process from noise."""
    schedule = d.Schedule.cosine(T=T)
    generator = torch.Generator().manual_seed(0)
    means, sigma = torch.tensor([mean for mean, _ in DATA]), DATA[0][1]
    choice = torch.randint(0, 2, (points,), generator=generator)
    start = means[choice] + sigma * torch.randn(points, generator=generator)
    forward = [start]
    for t in range(1, T + 1):
        step = d.q_step(schedule, forward[-1], t - 1, t)
        forward.append(step.sample(torch.randn(points, generator=generator)))
    backward = [x_t for _, x_t, _ in _ancestral(schedule, points)]
    figure, axes = plt.subplots(figsize=(7, 2.8), dpi=110)
    axes.plot(range(T + 1), torch.stack(forward), color=BLUE, lw=0.4, alpha=0.35)
    axes.plot(range(T, 2 * T + 1), torch.stack(backward), color=ORANGE, lw=0.4, alpha=0.35)
    axes.set(
        xticks=[0, T, 2 * T], xticklabels=["t = 0", "t = T", "t = 0"], ylabel="x", xlim=(0, 2 * T)
    )
    _save(figure, "swarm.png")


def orders() -> None:
    """Draw sampler errors on Gaussian data: over refined schedules, and over T = 1000."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(7, 3))
    numbers = (16, 32, 64, 128, 256, 512)
    for name, colour in SOLVERS.items():
        errors = []
        for n in numbers:
            uniform = torch.linspace(8, -8, n, dtype=torch.float64)
            schedule = d.Schedule.from_alpha_bar(uniform.sigmoid())
            errors.append(_error(schedule, name, n, until=1))
        slope = np.log(errors[2] / errors[-1]) / np.log(numbers[-1] / numbers[2])
        label = f"{name}: order {slope:.2f}"
        left.loglog(numbers, errors, "o-", ms=3, color=colour, label=label)
    left.set(xlabel="T, with T sampling steps", title="error at t = 1")
    left.set_xticks(numbers, map(str, numbers))
    left.legend(frameon=False)
    schedule, evaluations = d.Schedule.linear(), (10, 20, 50, 100, 200, 500)
    for name, colour in SOLVERS.items():
        nfe = 2 if name == "heun" else 1  # per step
        steps = [n // nfe for n in evaluations]
        errors = [_error(schedule, name, n, until=0) for n in steps]
        right.loglog(evaluations, errors, "o-", ms=3, color=colour)
    right.set(xlabel="network evaluations, T = 1000", title="error of the data")
    right.set_xticks(evaluations, map(str, evaluations))
    for axes in (left, right):
        axes.minorticks_off()
    _save(figure, "orders.svg")


def _error(schedule: d.Schedule, name: str, steps: int, until: int) -> float:
    """Return the largest distance from the exact trajectory at timestep `until`, of five states."""
    mean, var = 0.75, 0.25
    alpha_bar = schedule.alpha_bar(torch.arange(schedule.T + 1))
    stds = (alpha_bar * var + 1 - alpha_bar).sqrt()

    def optimal(x_t: torch.Tensor, t: int, cond: None = None) -> d.Prediction:
        root = alpha_bar[t].sqrt()
        return d.Prediction(mean + root * var / stds[t] ** 2 * (x_t - root * mean))

    times = d.TIMESTEP_SPACINGS["log_snr"](schedule, steps)
    sampler = {"ddim": d.DDIM, "dpm++ 2M": d.DPMSolver, "heun": d.Heun}[name](schedule, times)
    start = torch.linspace(-2, 2, 5, dtype=torch.float64)
    found = {each.t: each.x_t for each in d.sampling_loop(sampler, optimal, start, lambda t: start)}
    z = (start - alpha_bar[-1].sqrt() * mean) / stds[-1]
    exact = alpha_bar[until].sqrt() * mean + z * stds[until]
    return float((found[until] - exact).abs().max())


def _ancestral(schedule: d.Schedule, points: int):
    """Sample the two-component mixture with its optimal denoiser."""

    def optimal(x_t: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        alpha_bar = schedule.alpha_bar(t).float()
        noise_var = schedule.one_minus_alpha_bar(t).float()
        means, var = torch.tensor([mean for mean, _ in DATA]), DATA[0][1] ** 2
        total = alpha_bar * var + noise_var
        offset = x_t[:, None] - alpha_bar.sqrt()[:, None] * means
        weights = torch.softmax(-(offset**2) / (2 * total[:, None]), dim=1)
        x0_hat = means + (alpha_bar.sqrt() * var / total)[:, None] * offset
        return (weights * x0_hat).sum(dim=1)

    denoiser = d.NetworkDenoiser(schedule, optimal, "x0")
    return d.generate(d.Ancestral(schedule), denoiser, (), indices=range(points))


def _save(figure: plt.Figure, name: str) -> None:
    HERE.mkdir(exist_ok=True)
    figure.savefig(HERE / name, dpi=110, metadata={"Date": None} if name.endswith("svg") else None)
    plt.close(figure)
    print(f"wrote {HERE / name}")


if __name__ == "__main__":
    argparse.ArgumentParser(prog="python -m derivations.figures", description=__doc__).parse_args()
    schedules()
    posterior()
    swarm()
    orders()
