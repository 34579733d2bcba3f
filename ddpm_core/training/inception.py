"""The Frechet distance of Inception's features, by torch-fidelity where that is at hand."""

import pickle
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.data import Dataset as Rows

from ddpm_core.training.canvas import to_pixels

WEIGHTS = "weights-inception-2015-12-05-6726825d.pth"
SOURCE = f"https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/{WEIGHTS}"


class Pictures(Rows[Tensor]):
    """8-bit RGB pictures of images in [-1, 1]; grey ones are repeated three times."""

    def __init__(self, images: Float[Tensor, "n channels height width"]) -> None:
        self.pixels = torch.from_numpy(np.moveaxis(to_pixels(images), -1, -3).copy())

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> Tensor:
        return self.pixels[index]


def weights_file() -> Path:
    """Where torch-fidelity itself keeps them."""
    return Path(torch.hub.get_dir()) / "checkpoints" / WEIGHTS


def check_inception() -> None:
    """Say what --fid lacks. Raises ValueError; nothing is downloaded.

    torch-fidelity unpickles its weights, so they are first read by what runs no code of a file.
    """
    try:
        import torch_fidelity  # noqa: F401 - not before it is asked for
    except ImportError as error:  # it, or torchvision, which it needs
        raise ValueError(
            f"--fid needs the package torch-fidelity ({error}): pip install torch-fidelity, or "
            "leave --fid out"
        ) from None
    path = weights_file()
    if not path.is_file():
        raise ValueError(
            f"--fid needs the weights of Inception in {path}, where there is no file: put "
            f"{SOURCE} there, or leave --fid out"
        )
    try:
        torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, ValueError) as error:
        raise ValueError(
            f"--fid: {path} does not hold weights alone ({str(error).splitlines()[0]}); put "
            f"{SOURCE} there again, or leave --fid out"
        ) from None


def inception_frechet(
    images: Float[Tensor, "n channels height width"],
    reference: Float[Tensor, "m channels height width"],
    device: torch.device,
) -> float:
    """FID of images in [-1, 1] against the reference; comparable at the same n and m only."""
    from torch_fidelity import calculate_metrics

    found = calculate_metrics(
        input1=Pictures(images),
        input2=Pictures(reference),
        fid=True,
        feature_extractor_weights_path=str(weights_file()),
        cuda=device.type == "cuda",
        cache=False,
        save_cpu_ram=True,  # in this process, without workers
        verbose=False,
    )
    return float(found["frechet_inception_distance"])
