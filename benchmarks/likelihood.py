"""Compare bits per dimension of test images between a run and peers' networks of similar size.

Run as: python -m benchmarks.likelihood RUN [--seconds 300] [--peer diffusers azula] [--n 500]

RUN is a trained run that predicts the noise. Each peer is trained here by a textbook loop for a
given wall-clock time, with the run's batches, noise, precision, dropout, weight decay, clipping,
warm-up and weight averaging, and with its own learning rate. (The default had the lowest validation
error after 200 steps among 1e-3 and 2.5e-3, constant or cosine.) The same code evaluates all
networks on the same images with the same noise.
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
from ddpm_core.data.dataset import Dataset, batch_indices
from ddpm_core.data.split import spread
from ddpm_core.evaluation.bits_per_dim import BoundSums, bound_sums, merged
from ddpm_core.evaluation.config import EvaluateConfig
from ddpm_core.evaluation.evaluate import check, summary
from ddpm_core.losses import l_simple
from ddpm_core.randomness import keyed_generator, keyed_seed
from ddpm_core.training.build import build_dataset, seeded
from ddpm_core.training.diffusion_config import TrainConfig
from ddpm_core.training.ema import Ema
from ddpm_core.training.state import group_parameters, learning_rate
from ddpm_core.training.step import diffuse
from ddpm_core.training.trained import Trained, load_trained

CPU = torch.device("cpu")
OURS = "ddpm-core"
GROUPS = 8  # of every group norm; widths are multiples of it
Widths = tuple[int, ...]


def diffusers(config: TrainConfig, shape: Widths, widths: Widths) -> nn.Module:
    """Return a UNet2DModel with blocks and attention at the run's resolutions."""
    from diffusers import UNet2DModel

    resolutions = len(widths)
    attended = {i % resolutions for i in config.attention}
    kinds = ["Attn" if i in attended else "" for i in range(resolutions)]
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
    """Return azula's U-Net, which has no attention, with its own sine embedding of the time."""
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
    """Return the peer's network with the run's widths.

    The coarsest width is chosen so that the number of parameters is nearest to the run's.
    """
    config, target = trained.config, size(trained.network)
    widths = [config.width * multiplier for multiplier in config.multipliers]
    finer = tuple(GROUPS * max(1, round(width / GROUPS)) for width in widths[:-1])
    most = max(GROUPS, 2 * widths[-1])

    def network(coarsest: int) -> nn.Module:
        return PEERS[peer](config, trained.image_shape, (*finer, coarsest))

    def size_difference(coarsest: int) -> int:
        with torch.device("meta"):
            return abs(size(network(coarsest)) - target)

    coarsest = min(range(GROUPS, most + 1, GROUPS), key=size_difference)
    with seeded(keyed_seed(config.seed, "initialisation")):
        found = network(coarsest)
    print(f"{peer}: widths {(*finer, coarsest)}, {size(found):,} parameters of {target:,} in ours")
    layout = torch.channels_last if config.channels_last else torch.contiguous_format
    return found.to(memory_format=layout)


def decay(options: argparse.Namespace, spent: float) -> float:
    """Return the factor of the learning rate: 1, or cosine decay to 0 over the seconds."""
    cosine = (1 + math.cos(math.pi * spent / options.seconds)) / 2
    return cosine if options.learning_rate_decay == "cosine" else 1.0


def train(
    peer: nn.Module, trained: Trained, dataset: Dataset, options: argparse.Namespace
) -> tuple[nn.Module, int, float]:
    """Train for a wall-clock time; return the averaged network, the steps and the seconds.

    The step is Ho et al. (2020), Algorithm 1, with the run's additional options.
    """
    config, schedule = trained.config, trained.schedule
    plan = replace(config, learning_rate=options.learning_rate, learning_rate_decay="constant")
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
                group["lr"] = learning_rate(plan, step) * decay(options, spent)
            optimizer.step()
            ema.update(peer, step)
            step += 1
            bar.update()
    return ema.network, step, spent


def seconds_of(trained: Trained) -> float:
    """Return the seconds of the run's training steps, without previews and checkpoints."""
    lines = (trained.run / "timing.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return sum(row.get("seconds", 0.0) for row in rows if row["step"] <= trained.step)


def evaluated(name: str, config: EvaluateConfig, trained: Trained, dataset: Dataset) -> BoundSums:
    """Evaluate the bound on the test images and the noise prediction errors."""
    test = spread(dataset.test, config.n)
    evaluations = (config.strata or trained.schedule.T) * len(test)
    with tqdm(total=evaluations, desc=name, unit="NFE", unit_scale=True, disable=None) as bar:
        parts = test.split(config.batch_size)
        return merged(
            [bound_sums(config, trained, dataset, each, CPU, bar.update) for each in parts]
        )


def paired(ours: BoundSums, theirs: BoundSums, dims: int) -> tuple[float, float]:
    """Return the mean of ours minus theirs over images, in bits/dim, and its standard error."""
    bits = (ours.images - theirs.images) / (dims * math.log(2))
    return float(bits.mean()), float(bits.std(ddof=1) / math.sqrt(len(bits)))


def table(models: dict[str, dict[str, Any]]) -> str:
    """Return a Markdown table with one row per model."""
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
    parser.add_argument("--seconds", type=float, default=300.0, help="training time of a peer")
    parser.add_argument("--peer", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--learning-rate", type=float, default=2.5e-3, help="of a peer's AdamW")
    parser.add_argument("--learning-rate-decay", choices=["constant", "cosine"], default="constant")
    parser.add_argument("--n", type=int, default=500, help="test images, at least 2")
    parser.add_argument("--strata", type=int, help="stratified timesteps per image; default: all T")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dump", type=Path, help="write a JSON file")
    options = parser.parse_args()
    if options.n < 2:
        parser.error(f"--n = {options.n} gives no standard error; use 2 or more")
    return options


def main() -> None:
    options = arguments()
    torch.set_num_threads(options.threads)
    ours = load_trained(options.run, CPU)
    if ours.parameterization != "eps" or ours.config.conditional:
        raise SystemExit(
            f"{options.run} does not predict the noise, or is class-conditional; the peers here "
            "predict the noise without classes"
        )
    if not ours.space.exact:
        raise SystemExit(f"{options.run} is a run on latents; the peers here are trained on pixels")
    if ours.watermark:
        print(ours.watermark, file=sys.stderr)
    dataset = build_dataset(ours.config)
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
        difference, error = paired(parts[OURS], parts[name], math.prod(dataset.shape))
        models[name]["ours_minus_theirs"] = {"mean": difference, "standard_error": error}
        print(
            f"ddpm-core minus {name}: {difference:+.4f} bits/dim "
            f"(paired, standard error {error:.4f})"
        )
    if options.dump:
        for name, part in parts.items():
            models[name]["nats"] = part.images.tolist()
        arguments_used = {name: str(value) for name, value in vars(options).items()}
        options.dump.parent.mkdir(parents=True, exist_ok=True)
        result = {"options": arguments_used, "models": models}
        options.dump.write_text(json.dumps(result, indent=1) + "\n")
        print(f"wrote {options.dump}")


if __name__ == "__main__":
    main()
