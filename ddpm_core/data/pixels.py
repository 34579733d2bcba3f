"""From [-1, 1] to the 8-bit pixels that pictures and image features are made of."""

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

NOT_FINITE = (255, 0, 255)  # magenta: occurs neither in grey data nor in the page


def to_pixels(
    images: Float[np.ndarray, "*leading channels height width"]
    | Float[Tensor, "*leading channels height width"],
) -> UInt8[np.ndarray, "*leading height width 3"]:
    """Map [-1, 1] to 0..255; values outside are clipped, non-finite pixels become magenta."""
    if isinstance(images, Tensor):
        images = images.detach().to("cpu", torch.float32).numpy()
    if images.ndim < 3 or images.shape[-3] not in (1, 3) or 0 in images.shape:
        raise ValueError(
            f"images have shape {images.shape}; must be (..., channels, height, width) with 1 or 3 "
            "channels and without a size 0. Decode or select channels first"
        )
    images = np.moveaxis(images, -3, -1)
    finite = np.isfinite(images)
    levels = np.where(finite, np.clip(images, -1, 1), 0) * 127.5 + 127.5
    pixels = np.broadcast_to(np.rint(levels), (*images.shape[:-1], 3)).astype(np.uint8)
    pixels[~finite.all(-1)] = NOT_FINITE
    return pixels
