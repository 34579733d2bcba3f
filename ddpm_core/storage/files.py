"""Atomic file writes, and JSON lines that survive a crash."""

import glob
import json
import math
import os
import secrets
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

LONGEST = 200  # bytes; file systems allow 255, with an ending and that of a temporary file


class DamagedFile(ValueError):
    """A file written by ddpm-core with invalid content."""


def write_bytes(path: Path, data: bytes) -> None:
    """Replace the content of `path` atomically: at any moment it is the old file or the new one.

    Creates the folder if it is missing. An OSError names `path` and leaves its old content.
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
        # Only one process writes here, so every such file is ours or was left by a killed run.
        for leftover in path.parent.glob(f".{glob.escape(path.name)}.tmp-*"):
            leftover.unlink(missing_ok=True)
    sync_folder(path.parent)


def file_stem(name: str) -> str:
    """Return a file name without ending; a long one is cut, and ends in a digest of all of it."""
    data = name.encode()
    if len(data) <= LONGEST:
        return name
    return f"{data[: LONGEST - 13].decode(errors='ignore')}-{sha256(data).hexdigest()[:12]}"


def write_json(path: Path, value: object) -> None:
    """Write `value` atomically as JSON in canonical form. Raises ValueError for NaN and Inf."""
    write_bytes(path, json_bytes(path, value))


def append_line(path: Path, row: Mapping[str, Any]) -> None:
    """Append `row` to a file of JSON lines, synced to the disk on return.

    Raises ValueError for NaN and Inf, and an OSError that names `path`.
    """
    line = json_bytes(path, row, indent=None, sort_keys=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    new = not path.exists()
    write_synced(path, line, mode="ab")
    if new:
        sync_folder(path.parent)


def truncate_lines(path: Path, last_step: int) -> None:
    """Drop the rows whose "step" is above `last_step`, and a last line cut short by a crash.

    The remaining rows are unchanged. Raises DamagedFile for any other line that is not such a row.
    """
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    remaining = []
    for i, line in enumerate(lines):
        try:
            step = json.loads(line)["step"] + 0  # a number, or TypeError
            complete = line.endswith(b"\n")
        except (ValueError, TypeError, LookupError):
            complete = False
        if complete and step <= last_step:
            remaining.append(line)
        elif not complete and i < len(lines) - 1:
            raise DamagedFile(
                f"{path}, line {i + 1} is not a JSON row with a step: {line[:60]!r}; fix or remove "
                "that line, or move the file away to continue with an empty one"
            )
    if remaining != lines:
        write_bytes(path, b"".join(remaining))


def json_bytes(
    path: Path, value: object, *, indent: int | None = 2, sort_keys: bool = True
) -> bytes:
    """Return `value` as JSON for the file `path`. Raises ValueError for NaN and Inf."""
    try:
        text = json.dumps(value, indent=indent, sort_keys=sort_keys, allow_nan=False)
    except ValueError:
        for place, number in _not_finite(value, ""):
            raise ValueError(
                f"{path}: {place.lstrip('.') or 'the value'} = {number}, but JSON has only finite "
                "numbers; find its origin, or write None"
            ) from None
        raise
    return (text + "\n").encode()


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
    """Write `data` and sync it to the disk, not atomically. An OSError names `path`."""
    try:
        with path.open(mode) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        error.filename = str(path)  # the error of a full disk lacks it
        raise


def sync_folder(folder: Path) -> None:
    """Sync the directory entries of `folder` to the disk. Windows has no such call."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
