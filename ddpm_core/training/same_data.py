"""Compare the data with those that a checkpoint was trained on: by content, not by spelling."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from ddpm_core.data.class_names import join_classes
from ddpm_core.data.dataset import Dataset, split_of, with_warning
from ddpm_core.training.build import build_dataset
from ddpm_core.training.trained import Trained

QUICKLY_READ = 5000  # files; more are compared where the data are used, or when asked


def difference(
    state: Mapping[str, Any], dataset: Dataset, digest: str, conditional: bool
) -> str | None:
    """Return how the data differ from those of a checkpoint's state, or None.

    digest: of the data, in the space of the run. Class names count for a conditional network.
    """
    names = list(state.get("class_names", dataset.class_names))
    if conditional and names != list(dataset.class_names):
        return f"classes {_short(names)}, now {_short(dataset.class_names)}"
    if state["data"] == digest:
        return None
    split = [len(part) for part in split_of(dataset)]
    counts = ""
    if "split" in state and state["split"] != split:
        counts = f"{_counts(state['split'])} images, now {_counts(split)}; "
    return f"{counts}digest {state['data'][:12]}, now {digest[:12]}"


def data_of(trained: Trained, spec: str | None = None, *, changed: bool = False) -> Dataset:
    """Read the data of a trained run, at `spec` if they have moved.

    changed: accept data that have changed, with a warning in `reading`; labels are then joined to a
    conditional network by the names of the classes. Raises ValueError for changed data otherwise,
    and FileNotFoundError for data that are not there.
    """
    options = replace(trained.config, dataset=spec or trained.config.dataset)
    try:
        dataset = build_dataset(options)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{error}, or say with --dataset where the data are now") from None
    differs = _difference(trained, dataset)
    if differs is not None and options.split == "by-class":  # the split of earlier versions
        evenly = build_dataset(replace(options, split="even"))
        if _difference(trained, evenly) is None:
            return evenly
    if differs is None:
        return dataset
    if not changed:
        raise ValueError(
            f"{trained.run} was trained on other data than {dataset.name} holds now ({differs}). "
            "Restore them, say with --dataset where they are, or pass --data-changed ok"
        )
    warning = f"DATA CHANGED since the training ({differs}): test images may have been trained on"
    if trained.config.conditional and dataset.class_names != trained.class_names:
        dataset, left_out = join_classes(dataset, trained.class_names)
        if left_out:
            warning += f"; without the new classes {_short(left_out)}"
    return with_warning(dataset, warning)


def compare_quickly(trained: Trained, spec: str | None, *, changed: bool) -> list[str]:
    """Compare the data of a run whose samples do not need them; return what to say about it.

    Bundled data cannot change. Data that are no longer there, or are very many files, are compared
    only at `spec`. Raises as `data_of` does.
    """
    source, _, name = (spec or trained.config.dataset).partition(":")
    path = Path(name).expanduser()
    if spec is None and source in ("digits", "patches"):
        return []
    if spec is None and not path.exists():
        return [f"NOTE: {source}:{name} is not there, so the data were not compared"]
    if spec is None and len(list(islice(path.rglob("*"), QUICKLY_READ + 1))) > QUICKLY_READ:
        return [f"NOTE: {source}:{name} has many files; pass --dataset to compare the data"]
    return list(data_of(trained, spec, changed=changed).reading.warnings)


def _difference(trained: Trained, dataset: Dataset) -> str | None:
    if "data" not in trained.about:
        return None
    digest = trained.space.data_digest(dataset.digest())
    return difference(trained.about, dataset, digest, trained.config.conditional)


def _short(names: Sequence[str]) -> str:
    return ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")


def _counts(split: Sequence[int]) -> str:
    return " + ".join(f"{each:,}" for each in split)
