"""Measure the cost of the mathematics around the network: sampler steps and q_sample.

Run as: python -m benchmarks.overhead [--rounds 200]
"""

import argparse
from functools import partial

import torch

from benchmarks.interleaved import interleaved, paired_ratio, report
from ddpm_core import (
    DDIM,
    Ancestral,
    DPMSolver,
    Heun,
    Prediction,
    Schedule,
    generate,
    q_sample,
    trailing,
)
from ddpm_core.randomness import keyed_noise
from ddpm_core.samplers.base import Sampler

SHAPE = (64, 3, 32, 32)
LARGE = (64, 3, 128, 128)  # large enough that the fixed cost per call is negligible


def sampler_steps() -> dict:
    """Return ancestral steps at t = 500 with a constant prediction, including their noise."""
    schedule = Schedule.linear()
    sampler = Ancestral(schedule)
    x_t = torch.randn(SHAPE)
    constant = torch.zeros(SHAPE)

    def ours() -> object:
        noise = keyed_noise(SHAPE[1:], 0, "sampling", 500, range(SHAPE[0]))
        return sampler.step(lambda x, t: Prediction(constant), x_t, 499, 500, noise, None)

    subjects = {"ddpm-core": ours}
    try:
        from diffusers import DDPMScheduler
    except ImportError:
        print("diffusers is not installed: pip install '.[bench]'")
        return subjects
    peer = DDPMScheduler(num_train_timesteps=1000, prediction_type="sample", clip_sample=False)
    generator = torch.Generator().manual_seed(0)
    subjects["diffusers DDPMScheduler"] = lambda: peer.step(
        constant, 499, x_t, generator=generator, return_dict=False
    )
    return subjects


def sampler_loops(steps: int = 20) -> dict:
    """Return complete sampling runs of each sampler with a constant prediction, including noise."""
    schedule = Schedule.linear()
    times = trailing(schedule, steps)
    constant = Prediction(torch.zeros(SHAPE))
    samplers = {
        "ancestral": Ancestral(schedule, times),
        "ddim, eta 0": DDIM(schedule, times),
        "ddim, eta 1": DDIM(schedule, times, eta=1.0),
        "dpm++ 2M": DPMSolver(schedule, times),
        "heun": Heun(schedule, times),
    }

    def sample(sampler: Sampler) -> None:
        for _ in generate(sampler, lambda x, t, c: constant, SHAPE[1:], indices=range(SHAPE[0])):
            pass

    return {name: partial(sample, sampler) for name, sampler in samplers.items()}


def products(x_0: torch.Tensor, noise: torch.Tensor, coef: torch.Tensor) -> torch.Tensor:
    """Compute q_sample without its coefficients and checks."""
    return (coef * x_0).addcmul_(coef, noise)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    print(f"one ancestral step on {SHAPE} with a constant prediction")
    seconds = interleaved(sampler_steps(), options.rounds)
    report(seconds, "ddpm-core")
    for name in seconds.keys() - {"ddpm-core"}:
        middle, low, high = paired_ratio(seconds["ddpm-core"], seconds[name])
        print(f"ddpm-core takes {middle:.2f} of {name} (quartiles {low:.2f} to {high:.2f})")

    print(f"20 sampling steps on {SHAPE} with a constant prediction")
    seconds = interleaved(sampler_loops(), max(8, options.rounds // 10))
    for name in list(seconds)[1:]:
        middle, low, high = paired_ratio(seconds[name], seconds["ancestral"])
        print(f"{name} takes {middle:.2f} of ancestral (quartiles {low:.2f} to {high:.2f})")

    schedule = Schedule.linear()
    for shape in (SHAPE, LARGE):
        x_0, noise = torch.randn(shape), torch.randn(shape)
        t = torch.randint(1, 1001, shape[:1])
        coef = torch.rand(shape[0], 1, 1, 1)
        subjects = {
            "q_sample": partial(q_sample, schedule, x_0, t, noise),
            "its two products only": partial(products, x_0, noise, coef),
            "torch.add": partial(torch.add, x_0, noise),
        }
        seconds = interleaved(subjects, 5 * options.rounds)
        for name in list(subjects)[:2]:
            middle, low, high = paired_ratio(seconds[name], seconds["torch.add"])
            print(f"{shape}: {name}: {middle:.2f} of torch.add ({low:.2f} to {high:.2f})")


if __name__ == "__main__":
    main()
