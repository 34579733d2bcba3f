"""Recognise the files that the commands of ddpm-core write, so that none is read as data."""

import re
from pathlib import Path

# Every run directory holds these three from its first step on.
MARKERS = ("config.json", "env.json", "verification.json")
# What a run directory holds besides; it may also be the folder of the data.
IN_A_RUN = {
    *("samples", "denoising", "reconstructions", "checkpoints", "generated", "evaluation"),
    *(
        "autoencoder",
        "traceback.txt",
        "loss.png",
        "latents.png",
        "denoising.gif",
        "report.html",
        "data.json",
    ),
    *("status.json", "test.json", "metrics.jsonl", "timing.jsonl", *MARKERS),
}
# What evaluate keeps in its folder, which has a lock as well.
CACHED = {"bound", "samples", "flow", "classifier.safetensors"}
OUTPUT = re.compile(r"step-\d+-seed-\d+.*\.(png|gif)")  # of sample and evaluate
ARRAYS = (".npy", ".json")  # the first is written beside images by sample, the other by evaluate


def is_run_directory(folder: Path) -> bool:
    """Return whether a run of ddpm-core writes to this folder."""
    return all((folder / name).is_file() for name in MARKERS)


def is_own(path: Path) -> bool:
    """Return whether a file or folder was written by a command of ddpm-core."""
    if path.is_dir() and is_run_directory(path):
        return True
    if path.name in IN_A_RUN and is_run_directory(path.parent):
        return True
    if path.name in CACHED and (path.parent / ".lock").is_file():
        return True
    stem = path.stem.removesuffix("-compare")
    return OUTPUT.fullmatch(path.name) is not None and (
        path.stem != stem or any(path.with_name(stem + ending).is_file() for ending in ARRAYS)
    )
