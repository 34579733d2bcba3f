"""Interleaved timing of several functions and their paired ratios."""

import statistics
import time
from collections.abc import Callable, Mapping


def interleaved(
    subjects: Mapping[str, Callable[[], object]], rounds: int, warm_up: int = 2
) -> dict[str, list[float]]:
    """Return the seconds of every subject in every round; a round runs each subject once."""
    for run in subjects.values():
        for _ in range(warm_up):
            run()
    seconds: dict[str, list[float]] = {name: [] for name in subjects}
    for _ in range(rounds):
        for name, run in subjects.items():
            began = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - began)
    return seconds


def paired_ratio(slower: list[float], faster: list[float]) -> tuple[float, float, float]:
    """Return the median of slower / faster over the rounds, with both quartiles."""
    ratios = [a / b for a, b in zip(slower, faster, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    return middle, low, high


def report(seconds: Mapping[str, list[float]], ours: str) -> None:
    """Print one line per subject: its median, and the speed-up of `ours`."""
    for name, values in seconds.items():
        middle, low, high = paired_ratio(values, seconds[ours])
        print(
            f"{name:32s} median {statistics.median(values) * 1e3:9.3f} ms   "
            f"{ours} is {middle:5.2f} times faster (quartiles {low:.2f} to {high:.2f})"
        )
