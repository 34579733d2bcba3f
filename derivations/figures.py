"""python -m derivations.figures: draw the figures of the pages with the library itself."""

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
    """alpha-bar and log-SNR of the three shipped shapes."""
    t = torch.arange(1, 1000)
    figure, (left, right) = plt.subplots(1, 2, figsize=(7, 2.6))
    for name, colour in (("linear", BLUE), ("cosine", ORANGE), ("sigmoid", GREY)):
        schedule = getattr(d.Schedule, name)()
        left.plot(t, schedule.alpha_bar(t), color=colour, label=name)
        right.plot(t, schedule.log_snr(t), color=colour)
    left.set(xlabel="t", title="share of the signal left")
    right.set(xlabel="t", title="log-SNR, nats", ylim=(-12, 10))
    left.legend(frameon=False)
    _save(figure, "schedules.svg")


def posterior() -> None:
    """One level seen from both sides, and the two combined."""
    schedule = d.Schedule.from_betas([0.3, 0.4])
    x_0, x_t = torch.tensor([1.0]), torch.tensor([-0.4])
    x = np.linspace(-3, 3, 601)
    prior = d.q_marginal(schedule, x_0, 1)
    alpha, beta = (float(each) for each in (schedule.alpha(1, 2), schedule.beta_between(1, 2)))
    back = d.q_posterior(schedule, x_0, x_t, 1, 2)
    curves = (
        ("what x_0 = 1 says", float(prior.mean), float(prior.var), BLUE),
        ("what x_t = -0.4 says", float(x_t) / alpha**0.5, beta / alpha, ORANGE),
        ("both: the posterior", float(back.mean), float(back.var), "black"),
    )
    figure, axes = plt.subplots(figsize=(7, 2.6))
    for label, mean, var, colour in curves:
        density = np.exp(-((x - mean) ** 2) / (2 * var)) / np.sqrt(2 * np.pi * var)
        axes.plot(x, density, color=colour, label=label)
    axes.set(xlabel="x at the earlier level", yticks=[])
    axes.spines["left"].set_visible(False)
    axes.legend(frameon=False)
    _save(figure, "posterior.svg")


def swarm(points: int = 300, T: int = 60) -> None:
    """Two narrow bumps on their way to noise, and from other noise back, by the best denoiser."""
    schedule = d.Schedule.cosine(T=T)
    generator = torch.Generator().manual_seed(0)
    means, sigma = torch.tensor([mean for mean, _ in DATA]), DATA[0][1]
    choice = torch.randint(0, 2, (points,), generator=generator)
    start = means[choice] + sigma * torch.randn(points, generator=generator)
    forward = [start]
    for t in range(1, T + 1):
        law = d.q_step(schedule, forward[-1], t - 1, t)
        forward.append(law.sample(torch.randn(points, generator=generator)))
    backward = [x_t for _, x_t, _ in _chain(schedule, points)]
    figure, axes = plt.subplots(figsize=(7, 2.8), dpi=110)
    axes.plot(range(T + 1), torch.stack(forward), color=BLUE, lw=0.4, alpha=0.35)
    axes.plot(range(T, 2 * T + 1), torch.stack(backward), color=ORANGE, lw=0.4, alpha=0.35)
    axes.set(
        xticks=[0, T, 2 * T], xticklabels=["t = 0", "t = T", "t = 0"], ylabel="x", xlim=(0, 2 * T)
    )
    _save(figure, "swarm.png")


def orders() -> None:
    """How far samplers end from the exact path of normal data: as levels lie closer, and along a
    thousand of them."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(7, 3))
    numbers = (16, 32, 64, 128, 256, 512)
    for name, colour in SOLVERS.items():
        errors = []
        for n in numbers:
            even = torch.linspace(8, -8, n, dtype=torch.float64)
            errors.append(_error(d.Schedule.from_alpha_bar(even.sigmoid()), name, n, until=1))
        slope = np.log(errors[2] / errors[-1]) / np.log(numbers[-1] / numbers[2])
        label = f"{name}: order {slope:.2f}"
        left.loglog(numbers, errors, "o-", ms=3, color=colour, label=label)
    left.set(xlabel="levels, all visited", title="error at t = 1")
    left.set_xticks(numbers, map(str, numbers))
    left.legend(frameon=False)
    schedule, evaluations = d.Schedule.linear(), (10, 20, 50, 100, 200, 500)
    for name, colour in SOLVERS.items():
        calls = 2 if name == "heun" else 1
        steps = [n // calls for n in evaluations]
        errors = [_error(schedule, name, n, until=0) for n in steps]
        right.loglog(evaluations, errors, "o-", ms=3, color=colour)
    right.set(xlabel="network evaluations, T = 1000", title="error of the data")
    right.set_xticks(evaluations, map(str, evaluations))
    for axes in (left, right):
        axes.minorticks_off()
    _save(figure, "orders.svg")


def _error(schedule: d.Schedule, name: str, steps: int, until: int) -> float:
    """The largest distance from the exact path, at level 1 or at data, of five states."""
    mean, var = 0.75, 0.25
    kept = schedule.alpha_bar(torch.arange(schedule.T + 1))
    deviations = (kept * var + 1 - kept).sqrt()

    def best(x_t: torch.Tensor, t: int, cond: None = None) -> d.Prediction:
        root = kept[t].sqrt()
        return d.Prediction(mean + root * var / deviations[t] ** 2 * (x_t - root * mean))

    times = d.TIMESTEP_SPACINGS["log_snr"](schedule, steps)
    sampler = {"ddim": d.DDIM, "dpm++ 2M": d.DPMSolver, "heun": d.Heun}[name](schedule, times)
    start = torch.linspace(-2, 2, 5, dtype=torch.float64)
    found = {each.t: each.x_t for each in d.sampling_loop(sampler, best, start, lambda t: start)}
    distance = (start - kept[-1].sqrt() * mean) / deviations[-1]
    return float(
        (found[until] - kept[until].sqrt() * mean - distance * deviations[until]).abs().max()
    )


def _chain(schedule: d.Schedule, points: int):
    """The ancestral sampler with the mean of x_0 given x_t, for the two bumps."""

    def best(x_t: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        kept, noise = schedule.alpha_bar(t).float(), schedule.one_minus_alpha_bar(t).float()
        means, var = torch.tensor([mean for mean, _ in DATA]), DATA[0][1] ** 2
        total = kept * var + noise
        away = x_t[:, None] - kept.sqrt()[:, None] * means
        share = torch.softmax(-(away**2) / (2 * total[:, None]), dim=1)
        guess = means + (kept.sqrt() * var / total)[:, None] * away
        return (share * guess).sum(dim=1)

    denoiser = d.NetworkDenoiser(schedule, best, "x0")
    return d.generate(d.Ancestral(schedule), denoiser, (), indices=range(points))


def _save(figure: plt.Figure, name: str) -> None:
    HERE.mkdir(exist_ok=True)
    figure.savefig(HERE / name, dpi=110, metadata={"Date": None} if name.endswith("svg") else None)
    plt.close(figure)
    print(f"wrote {HERE / name}")


if __name__ == "__main__":
    schedules()
    posterior()
    swarm()
    orders()
