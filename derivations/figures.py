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
