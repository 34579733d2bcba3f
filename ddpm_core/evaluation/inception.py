"""Inception features for FID, computed by torch-fidelity if it is installed."""

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
    """Return the path where torch-fidelity stores its weights."""
    return Path(torch.hub.get_dir()) / "checkpoints" / WEIGHTS


def check_inception() -> None:
    """Raise ValueError if --fid lacks the package or its weights; nothing is downloaded.

    torch-fidelity unpickles its weights, so they are first loaded with weights_only=True, which
    executes no code of the file.
    """
    try:
        import torch_fidelity  # noqa: F401 - optional, imported only for --fid
    except (ImportError, RuntimeError) as error:  # missing, or a torchvision of another torch
        raise ValueError(
            f"--fid needs the package torch-fidelity ({error}). Run pip install torch-fidelity, "
            "with a torchvision that matches this torch, or omit --fid"
        ) from None
    path = weights_file()
    if not path.is_file():
        raise ValueError(
            f"--fid needs the Inception weights, but {path} does not exist. Save {SOURCE} "
            "there, or omit --fid"
        )
    try:
        torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # many types; torch's own message advises unpickling
        raise ValueError(
            f"--fid: {path} is damaged, or contains more than weights. Save {SOURCE} there "
            "again, or omit --fid"
        ) from None


def inception_features(
    images: Float[Tensor, "n channels height width"], device: torch.device
) -> Float64[Tensor, " n 2048"]:
    """Return the features of images in [-1, 1], as 8-bit RGB; grey is repeated to 3 channels."""
    from torch_fidelity import FeatureExtractorInceptionV3

    network = FeatureExtractorInceptionV3(
        "inception-v3-compat", ["2048"], feature_extractor_weights_path=str(weights_file())
    ).to(device)
    pixels = torch.from_numpy(np.moveaxis(to_pixels(images), -1, -3).copy())
    with torch.no_grad():
        found = [network(part.to(device))[0].cpu() for part in pixels.split(AT_A_TIME)]
    return torch.cat(found).double()
