"""Bits per dimension of test images, for a run of ours and for peers' networks of about its size.

Run as: python -m benchmarks.likelihood RUN [--seconds 300] [--peer diffusers azula] [--n 500]

RUN is a trained run that predicts the noise. A peer is trained here by a textbook loop for some
seconds of wall clock: on the run's batches and noise, in its precision, with its dropout, weight
decay, clipping, warm-up and average of weights, at a rate of its own (of 1e-3 and 2.5e-3, constant
or cosine, the default had the least validation error after 200 steps). One code evaluates all, on
the same images with the same noise.
"""

import argparse
import json
import math
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

from benchmarks.unet import WithTime
from ddpm_core.data.dataset import Dataset, batch_indices, load_dataset, spread
from ddpm_core.evaluation.bits_per_dim import Part, bound_of, whole
from ddpm_core.evaluation.config import EvaluateConfig
from ddpm_core.evaluation.evaluate import check, summary
from ddpm_core.losses import l_simple
from ddpm_core.randomness import keyed_generator, keyed_seed
from ddpm_core.training.build import group_parameters, seeded
from ddpm_core.training.diffusion_config import TrainConfig
from ddpm_core.training.ema import Ema
from ddpm_core.training.state import learning_rate
from ddpm_core.training.step import diffuse
from ddpm_core.training.trained import Trained, load_trained

CPU = torch.device("cpu")
OURS = "ddpm-core"
GROUPS = 8  # of every group norm, so widths are its multiples
Widths = tuple[int, ...]


def diffusers(config: TrainConfig, shape: Widths, widths: Widths) -> nn.Module:
    """A UNet2DModel with blocks and attention where the run has them."""
    from diffusers import UNet2DModel

    levels = len(widths)
    attended = {i % levels for i in config.attention}
    kinds = ["Attn" if i in attended else "" for i in range(levels)]
    network = UNet2DModel(
        sample_size=shape[1:],
        in_channels=shape[0],
        out_channels=shape[0],
        block_out_channels=widths,
        layers_per_block=config.blocks,
        norm_num_groups=GROUPS,
        dropout=config.dropout,
        down_block_types=tuple(f"{kind}DownBlock2D" for kind in kinds),
        up_block_types=tuple(f"{kind}UpBlock2D" for kind in reversed(kinds)),
    )
    return WithTime(network, lambda net, x_t, t: net(x_t, t).sample)


def azula(config: TrainConfig, shape: Widths, widths: Widths) -> nn.Module:
    """Its U-Net, which has no attention, told its own sines of the time."""
    from azula.nn.layers import SineEncoding
    from azula.nn.unet import UNet

    features = 4 * widths[0]
    network = UNet(
        shape[0],
        shape[0],
        hid_channels=widths,
        hid_blocks=(config.blocks,) * len(widths),
        mod_features=features,
        norm="group",
        groups=GROUPS,
        dropout=config.dropout,
    )
    encode = SineEncoding(features)
    return WithTime(network, lambda net, x_t, t: net(x_t, encode(t.float())))


PEERS = {"diffusers": diffusers, "azula": azula}


def size(network: nn.Module) -> int:
    return sum(each.numel() for each in network.parameters())


def build(peer: str, trained: Trained) -> nn.Module:
    """The peer's network of the run's widths, but for the coarsest, which brings its size nearest
    to the run's."""
    config, target = trained.config, size(trained.network)
    widths = [config.width * multiplier for multiplier in config.multipliers]
    finer = tuple(GROUPS * max(1, round(width / GROUPS)) for width in widths[:-1])
    most = max(GROUPS, 2 * widths[-1])

    def network(coarsest: int) -> nn.Module:
        return PEERS[peer](config, trained.image_shape, (*finer, coarsest))

    def farness(coarsest: int) -> int:
        with torch.device("meta"):
            return abs(size(network(coarsest)) - target)

    coarsest = min(range(GROUPS, most + 1, GROUPS), key=farness)
    with seeded(keyed_seed(config.seed, "initialisation")):
        found = network(coarsest)
    print(f"{peer}: widths {(*finer, coarsest)}, {size(found):,} parameters of {target:,} in ours")
    layout = torch.channels_last if config.channels_last else torch.contiguous_format
    return found.to(memory_format=layout)


def fall(options: argparse.Namespace, spent: float) -> float:
    """The rate's share that is left: all of it, or cosine to 0 over the seconds."""
    cosine = (1 + math.cos(math.pi * spent / options.seconds)) / 2
    return cosine if options.learning_rate_decay == "cosine" else 1.0


def train(
    peer: nn.Module, trained: Trained, dataset: Dataset, options: argparse.Namespace
) -> tuple[nn.Module, int, float]:
    """The averaged network after so many seconds, its number of steps, and the seconds.

    The step is Ho et al. (2020), Algorithm 1, with what the run adds to it.
    """
    config, schedule = trained.config, trained.schedule
    plan = replace(config, learning_rate=options.rate, learning_rate_decay="constant")
    groups = group_parameters(peer, config.weight_decay)
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.99), fused=True)
    ema, step = Ema(peer, config.ema_decay), 0
    peer.train()
    with seeded(keyed_seed(config.seed, "dropout")), tqdm(unit="step", disable=None) as bar:
        began = time.perf_counter()
        while (spent := time.perf_counter() - began) < options.seconds:
            x_0 = dataset.take(batch_indices(dataset.train, config.seed, step, config.batch_size))
            t, noise, x_t = diffuse(schedule, x_0, keyed_generator(config.seed, "training", step))
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=config.dtype == "bf16"):
                prediction = peer(x_t, t)
            l_simple(prediction.float(), noise).mean.backward()
            nn.utils.clip_grad_norm_(peer.parameters(), config.grad_clip)
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(plan, step) * fall(options, spent)
            optimizer.step()
            ema.update(peer, step)
            step += 1
            bar.update()
    return ema.network, step, spent


def seconds_of(trained: Trained) -> float:
    """What the steps of the run took, visits and checkpoints apart."""
    lines = (trained.run / "timing.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return sum(row.get("seconds", 0.0) for row in rows if row["step"] <= trained.step)


def evaluated(name: str, config: EvaluateConfig, trained: Trained, dataset: Dataset) -> Part:
    """The bound of the test images, and the errors of the noise."""
    test = spread(dataset.test, config.n)
    calls = (config.strata or trained.schedule.T) * len(test)
    with tqdm(total=calls, desc=name, unit="call", unit_scale=True, disable=None) as bar:
        parts = test.split(config.batch_size)
        return whole([bound_of(config, trained, dataset, each, CPU, bar.update) for each in parts])


def paired(ours: Part, theirs: Part, dims: int) -> tuple[float, float]:
    """Ours less theirs in bits per dimension, in the mean over images, and its standard error."""
    bits = (ours.images - theirs.images) / (dims * math.log(2))
    return float(bits.mean()), float(bits.std(ddof=1) / math.sqrt(len(bits)))


def table(models: dict[str, dict[str, Any]]) -> str:
    """A row for each model."""
    head = "| model | parameters | seconds | steps | bits/dim (standard error) | eps-MSE |"
    rows = [head, "|---|---|---|---|---|---|"]
    for name, found in models.items():
        bits = found["bits_per_dim"]
        rows.append(
            f"| {name} | {found['parameters']:,} | {found['seconds']:.0f} | {found['step']:,} "
            f"| {bits['total']:.3f} ({bits['standard_error']:.3f}) "
            f"| {found['eps_mse']['mean']:.4f} |"
        )
    return "\n".join(rows)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--seconds", type=float, default=300.0, help="of a peer's training")
    parser.add_argument("--peer", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--rate", type=float, default=2.5e-3, help="of a peer's AdamW")
    parser.add_argument("--learning-rate-decay", choices=["constant", "cosine"], default="constant")
    parser.add_argument("--n", type=int, default=500, help="test images, at least 2")
    parser.add_argument("--strata", type=int, help="terms of an image; all where none are given")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dump", type=Path, help="write a JSON file")
    options = parser.parse_args()
    if options.n < 2:
        parser.error(f"--n = {options.n} leaves no standard error; give 2 or more")
    return options


def main() -> None:
    options = arguments()
    torch.set_num_threads(options.threads)
    ours = load_trained(options.run, CPU)
    if ours.parameterization != "eps" or ours.config.conditional:
        raise SystemExit(f"{options.run} predicts another thing than the noise, or is told classes")
    if ours.autoencoder is not None:
        raise SystemExit(f"{options.run} works in latents, and peers are trained on pixels here")
    if ours.watermark:
        print(ours.watermark, file=sys.stderr)
    dataset = load_dataset(ours.config.dataset, ours.config.image_size)
    config = EvaluateConfig(options.run, n=options.n, strata=options.strata)
    check(config, ours, dataset)

    trained, seconds = {OURS: ours}, {OURS: seconds_of(ours)}
    for name in options.peer:
        network, steps, seconds[name] = train(build(name, ours), ours, dataset, options)
        trained[name] = replace(ours, network=network, step=steps)

    models, parts = {}, {}
    for name, each in trained.items():
        parts[name] = evaluated(name, config, each, dataset)
        own = {"parameters": size(each.network), "seconds": seconds[name]}
        models[name] = own | summary(config, each, dataset, parts[name])
    print(table(models))
    for name in options.peer:
        less, error = paired(parts[OURS], parts[name], math.prod(dataset.shape))
        models[name]["ours_less_theirs"] = {"mean": less, "standard_error": error}
        print(f"ddpm-core less {name}: {less:+.4f} bits/dim (standard error {error:.4f}), paired")
    if options.dump:
        for name, part in parts.items():
            models[name]["nats"] = part.images.tolist()
        told = {name: str(value) for name, value in vars(options).items()}
        options.dump.parent.mkdir(parents=True, exist_ok=True)
        options.dump.write_text(json.dumps({"options": told, "models": models}, indent=1) + "\n")
        print(f"wrote {options.dump}")


if __name__ == "__main__":
    main()
