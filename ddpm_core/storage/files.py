"""Files that are whole or not there, rows that survive a crash, and the lock of a run's folder."""

import glob
import json
import math
import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


class DamagedFile(ValueError):
    """A file that this program wrote, and that now holds something else."""


def write_bytes(path: Path, data: bytes) -> None:
    """Replace `path` by `data` in one step: at every moment it is the old file or the new one.

    Makes the folder where there is none. An OSError names `path`, whose old bytes are still there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp-{secrets.token_hex(4)}")
    try:
        write_synced(temporary, data)
        os.replace(temporary, path)
    except OSError as error:
        error.filename = str(path)
        raise
    finally:
        # One process writes here, so what bears such a name is ours, or a killed run left it.
        for left in path.parent.glob(f".{glob.escape(path.name)}.tmp-*"):
            left.unlink(missing_ok=True)
    sync_folder(path.parent)


def write_json(path: Path, value: object) -> None:
    """`write_bytes` of the one text that `value` has as JSON. Raises ValueError for NaN and Inf."""
    write_bytes(path, json_bytes(path, value))


def append_line(path: Path, row: Mapping[str, Any]) -> None:
    """Add `row` to a file of JSON lines; it is on the disk on return.

    Raises ValueError for NaN and Inf, and an OSError that names `path`.
    """
    line = json_bytes(path, row, indent=None, sort_keys=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    new = not path.exists()
    write_synced(path, line, mode="ab")
    if new:
        sync_folder(path.parent)


def truncate_lines(path: Path, last_step: int) -> None:
    """Drop the rows whose "step" is above `last_step`, and a last line that a crash tore.

    The rows kept keep their bytes. Raises DamagedFile for any other line that is no such row.
    """
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    kept = []
    for i, line in enumerate(lines):
        try:
            step = json.loads(line)["step"] + 0  # a number, or TypeError
            whole = line.endswith(b"\n")
        except (ValueError, TypeError, LookupError):
            whole = False
        if whole and step <= last_step:
            kept.append(line)
        elif not whole and i < len(lines) - 1:
            raise DamagedFile(
                f"{path}, line {i + 1} is no JSON row with a step: {line[:60]!r}; mend or remove "
                "that line, or move the file away to go on with an empty one"
            )
    if kept != lines:
        write_bytes(path, b"".join(kept))


def json_bytes(
    path: Path, value: object, *, indent: int | None = 2, sort_keys: bool = True
) -> bytes:
    """The text of `value` that is to stand in `path`. Raises ValueError for NaN and Inf."""
    for place, number in _not_finite(value, ""):
        raise ValueError(
            f"{path}: {place.lstrip('.') or 'the value'} = {number}, and JSON has finite numbers "
            "only; find where it comes from, or write None"
        )
    return (json.dumps(value, indent=indent, sort_keys=sort_keys) + "\n").encode()


def _not_finite(value: object, place: str) -> Iterator[tuple[str, float]]:
    if isinstance(value, float) and not math.isfinite(value):
        yield place, value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from _not_finite(each, f"{place}.{key}")
    elif isinstance(value, list | tuple):
        for i, each in enumerate(value):
            yield from _not_finite(each, f"{place}[{i}]")


def write_synced(path: Path, data: bytes, mode: str = "xb") -> None:
    """Write `data` through to the disk, not atomically. An OSError names `path`."""
    try:
        with path.open(mode) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        error.filename = str(path)  # a full disk does not say which file
        raise


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` outlive a power cut. Windows has no such call."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
