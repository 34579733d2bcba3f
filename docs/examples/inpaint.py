"""Inpaint a test image: an example of a sampling loop of your own (RePaint).

Run as: python docs/examples/inpaint.py RUN --mask MASK.png [--index 0] [--n 7]

White pixels of the mask are known, black ones are drawn. At each timestep the known part is taken
from the noised image and the other part from the sampler. Both are then noised by one step and
denoised again, several times, so that they fit (Lugmayr et al. 2022, arXiv:2201.09865,
Algorithm 1).
"""

import argparse
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from ddpm_core import Ancestral, Denoiser, q_sample, q_step, trailing
from ddpm_core.figures.grids import sample_grid
from ddpm_core.randomness import keyed_generator
from ddpm_core.storage.files import write_bytes
from ddpm_core.training.same_data import data_of
from ddpm_core.training.trained import load_trained


def inpaint(
    sampler: Ancestral,
    denoiser: Denoiser,
    image: Tensor,
    known: Tensor,
    noise: Callable[[], Tensor],
    resample: int = 10,
) -> Tensor:
    """Redraw `image` (batch, *event) where the mask `known` is False.

    The mask broadcasts against the image. resample: repetitions at each timestep.
    """
    x_t = noise()
    for t, s in tqdm(list(pairwise(sampler.times)), unit="step", disable=None):
        for left in reversed(range(resample)):
            x_s, _, _ = sampler.step(denoiser, x_t, s, t, noise(), None)
            x_s = torch.where(known, q_sample(sampler.schedule, image, s, noise()), x_s)
            if s == 0 or not left:
                break
            # Forward again, to repeat the step.
            x_t = q_step(sampler.schedule, x_s, s, t).sample(noise())
        x_t = x_s
    return x_t


def read_mask(path: Path, height: int, width: int) -> Tensor:
    """Return a mask (height, width) that is True where the image is white."""
    if not path.is_file():
        raise FileNotFoundError(f"--mask {path} is not a file; name an image")
    picture = Image.open(path)
    if picture.convert("RGBA").getchannel("A").getextrema() != (255, 255):
        raise ValueError(f"{path} has transparent pixels; paint the known part white on black")
    mask = np.asarray(picture.convert("L")) >= 128
    if mask.shape != (height, width):
        raise ValueError(
            f"{path} has {mask.shape[0]} x {mask.shape[1]} pixels, but the images of the run have "
            f"{height} x {width} (height x width); draw the mask in that size"
        )
    if mask.all():
        raise ValueError(f"{path} is white everywhere; paint the part to be drawn black")
    if not mask.any():
        raise ValueError(f"{path} is black everywhere; paint the known part white (128 or more)")
    return torch.from_numpy(mask)


def known_states(known: Tensor, x_0: Tensor) -> Tensor:
    """Return which states of x_0 are known: a latent is, if all of its pixels are."""
    factor = known.shape[-1] // x_0.shape[-1]
    unknown = torch.nn.functional.max_pool2d((~known)[None, None].float(), factor)
    return unknown[0] == 0


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("run", type=Path, help="a run directory, or one of its checkpoints")
    parser.add_argument(
        "--mask", type=Path, required=True, help="image: white is known, black is drawn"
    )
    parser.add_argument("--index", type=int, default=0, help="index of the test image")
    parser.add_argument("--n", type=int, default=7, help="number of results")
    parser.add_argument("--steps", type=int, default=100, help="sampler steps")
    parser.add_argument("--resample", type=int, default=10, help="repetitions at each timestep")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("inpainted.png"))
    options = parser.parse_args(arguments)
    try:
        write_bytes(options.out, picture(options))
    except (ValueError, OSError) as error:
        print(f"inpaint: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    print(f"wrote {options.out}: the image, its known part, and {options.n} results")


def picture(options: argparse.Namespace) -> bytes:
    """Return a PNG of the image, its known part and the results."""
    for name in ("n", "resample"):
        if getattr(options, name) < 1:
            raise ValueError(f"--{name} = {getattr(options, name)} is below 1; pass 1 or more")
    trained = load_trained(options.run, torch.device("cpu"))
    _, height, width = trained.picture_shape
    known = read_mask(options.mask, height, width)
    if trained.config.conditional and not trained.config.label_dropout:
        raise ValueError(
            f"{options.run} was trained with --label-dropout 0, so it cannot sample without a "
            "class; name another run"
        )
    dataset = data_of(trained)
    if not 0 <= options.index < len(dataset.test):
        raise ValueError(
            f"--index = {options.index} is outside 0..{len(dataset.test) - 1}; pass one of these"
        )
    chosen = dataset.test[[options.index]]
    image = dataset.take(chosen)
    times = trailing(trained.schedule, options.steps)
    sampler = Ancestral(trained.schedule, times, trained.variance(None))
    x_0 = trained.space.encode(image, chosen)
    images = x_0.expand(options.n, -1, -1, -1)
    generator = keyed_generator(options.seed, "inpainting")
    with torch.no_grad():
        filled = inpaint(
            sampler,
            trained.denoiser(clip=True),
            images,
            known_states(known, x_0),
            lambda: torch.randn(images.shape, generator=generator),
            options.resample,
        )
        filled = torch.where(known, image, trained.space.decode(filled))
    shown = torch.where(known, image, torch.zeros_like(image))
    return sample_grid(
        torch.cat([image, shown, filled]), options.n + 2, watermark=trained.watermark
    )


if __name__ == "__main__":
    main()
