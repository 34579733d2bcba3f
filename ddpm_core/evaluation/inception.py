"""The features that FID is of, by torch-fidelity where it and its weights are at hand."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from ddpm_core.data.pixels import to_pixels

WEIGHTS = "weights-inception-2015-12-05-6726825d.pth"
SOURCE = f"https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/{WEIGHTS}"
AT_A_TIME = 64


def weights_file() -> Path:
    """Where torch-fidelity itself keeps them."""
    return Path(torch.hub.get_dir()) / "checkpoints" / WEIGHTS


def check_inception() -> None:
    """Say what --fid lacks. Raises ValueError; nothing is downloaded.

    torch-fidelity unpickles its weights, so they are first read by what runs no code of a file.
    """
    try:
        import torch_fidelity  # noqa: F401 - not before it is asked for
    except (ImportError, RuntimeError) as error:  # it, or a torchvision of another torch
        raise ValueError(
            f"--fid needs the package torch-fidelity ({error}): pip install torch-fidelity, and a "
            "torchvision that belongs to this torch, or leave --fid out"
        ) from None
    path = weights_file()
    if not path.is_file():
        raise ValueError(
            f"--fid needs the weights of Inception in {path}, where there is no file: put "
            f"{SOURCE} there, or leave --fid out"
        )
    try:
        torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # zip, pickle and torch raise kinds of their own; torch's words say unpickle
        raise ValueError(
            f"--fid: {path} is damaged, or holds more than weights: put {SOURCE} there again, or "
            "leave --fid out"
        ) from None


def inception_features(
    images: Float[Tensor, "n channels height width"], device: torch.device
) -> Float64[Tensor, " n 2048"]:
    """Of images in [-1, 1] as 8-bit pictures; grey ones are repeated three times."""
    from torch_fidelity import FeatureExtractorInceptionV3

    network = FeatureExtractorInceptionV3(
        "inception-v3-compat", ["2048"], feature_extractor_weights_path=str(weights_file())
    ).to(device)
    pixels = torch.from_numpy(np.moveaxis(to_pixels(images), -1, -3).copy())
    with torch.no_grad():
        found = [network(part.to(device))[0].cpu() for part in pixels.split(AT_A_TIME)]
    return torch.cat(found).double()
