"""Checkpoints: tensors as safetensors, the rest as JSON, every file listed in a SHA-256 manifest.

A checkpoint is written under a temporary name and renamed once it is complete and on the disk, so
after a kill at any moment the previous checkpoint still loads. Nothing is pickled: loading an
untrusted checkpoint executes no code from it.
"""

import json
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from ddpm_core.storage import format_1
from ddpm_core.storage.files import json_bytes, sync_folder, write_json, write_synced

FORMAT = 2
LATEST = "LATEST.json"
MANIFEST = "MANIFEST.json"
# A leading dot marks a checkpoint that is not yet, or no longer, in place: half-written ("tmp") or
# replaced by a newer save of the same step ("old").
STEP = re.compile(r"step-(\d+)|\.step-(\d+)\.(?:tmp|old)-\w+")


class CheckpointError(ValueError):
    """A checkpoint that is missing, damaged, or not written by ddpm-core."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A loaded checkpoint: tensors by group and name, and the JSON state."""

    path: Path
    step: int
    tensors: Mapping[str, Mapping[str, Tensor]]
    state: Mapping[str, Any]


# --- writing --------------------------------------------------------------------------------------


def save_checkpoint(
    folder: Path,
    step: int,
    tensors: Mapping[str, Mapping[str, Tensor]],
    state: Mapping[str, Any],
    keep: int = 2,
) -> Path:
    """Write `folder`/step-<step>, record it in LATEST.json, and delete old checkpoints.

    The `keep` newest checkpoints up to this step remain. Checkpoints of later steps are deleted,
    because the run was resumed from before them. Only one process may write to `folder` (see
    run_lock). An OSError, such as a full disk, leaves the earlier checkpoints intact.
    """
    if step < 0 or keep < 1:
        raise ValueError(f"step = {step}, keep = {keep}: needs step >= 0 and keep >= 1")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"step-{step:06d}"
    temporary = folder / f".{path.name}.tmp-{secrets.token_hex(4)}"
    try:
        digest = _write(temporary, step, tensors, state)
        _put_in_place(temporary, path)
        latest = {"step": step, "path": path.name, "manifest_sha256": digest}
        write_json(folder / LATEST, latest)
    except OSError as error:
        error.strerror = f"{error.strerror} (saving step {step}; earlier checkpoints are intact)"
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    older = [each for each in _checkpoints(folder) if _step(each) < step and each.name[0] != "."]
    for each in _checkpoints(folder):
        if each not in (path, *older[: keep - 1]):
            shutil.rmtree(each)
    return path


def _write(
    temporary: Path,
    step: int,
    tensors: Mapping[str, Mapping[str, Tensor]],
    state: Mapping[str, Any],
) -> str:
    """Write all files, synced to the disk; return the digest of the manifest."""
    temporary.mkdir()
    files = {}

    def put(name: str, data: bytes) -> str:
        write_synced(temporary / name, data)
        files[name] = {"bytes": len(data), "sha256": sha256(data).hexdigest()}
        return sha256(data).hexdigest()

    for group, named in tensors.items():
        # Copied, because safetensors refuses views and two names that share one storage.
        copies = {name: _contiguous_copy(tensor) for name, tensor in named.items()}
        put(f"{group}.safetensors", save(copies))
    put("state.json", json_bytes(temporary / "state.json", state))
    manifest = {"format": FORMAT, "step": step, "files": dict(files)}
    digest = put(MANIFEST, json_bytes(temporary / MANIFEST, manifest))
    sync_folder(temporary)
    return digest


def _contiguous_copy(tensor: Tensor) -> Tensor:
    return tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)


def _put_in_place(temporary: Path, path: Path) -> None:
    """Rename `temporary` to `path`, after moving aside an existing `path`.

    If interrupted between the two renames, `latest_checkpoint` still finds both copies.
    """
    if path.exists():
        (path.parent / LATEST).unlink(missing_ok=True)  # it may hold the digest of the old manifest
        sync_folder(path.parent)
        os.rename(path, path.with_name(temporary.name.replace(".tmp-", ".old-")))
    os.rename(temporary, path)
    sync_folder(path.parent)


# --- reading --------------------------------------------------------------------------------------


def load_checkpoint(path: Path, groups: Iterable[str] = (), keys: Iterable[str] = ()) -> Checkpoint:
    """Read `path`; check every byte against its manifest, and the manifest against LATEST.json.

    Files that the manifest does not list are never opened. Raises CheckpointError for damage, or if
    one of the tensor `groups` or of the state's `keys` is missing. The error names the file and, if
    there is one, an intact checkpoint.
    """
    tensors, state = {}, {}
    try:
        form, step, files = _manifest(path)
        for name, data in _verified(path, files):
            if name.endswith(".safetensors"):
                tensors[name.removesuffix(".safetensors")] = _tensors(path / name, data)
            elif name == "state.json":
                state = json.loads(data)
        _refuse_missing(path, [f"{group}.safetensors" for group in groups], files)
        _refuse_missing(path / "state.json", keys, state)
    except CheckpointError as error:
        raise CheckpointError(f"{error}; {_remedy(path)}") from None
    if form == 1:
        tensors = {group: format_1.renamed_layers(named) for group, named in tensors.items()}
        state = format_1.renamed_state(state)
    return Checkpoint(path, step, tensors, state)


def _refuse_missing(path: Path, required: Iterable[str], present: Iterable[str]) -> None:
    missing = sorted({*required} - {*present})
    if missing:
        raise CheckpointError(f"{path} lacks {', '.join(missing)}: not a run of ddpm-core")


def _tensors(path: Path, data: bytes) -> dict[str, Tensor]:
    try:
        return load(data)
    except SafetensorError as error:  # the digest matches, so this is not damage
        raise CheckpointError(f"{path} is not a safetensors file: {error}") from None


def latest_checkpoint(folder: Path) -> Path | None:
    """Return the checkpoint named in LATEST.json or, if that is unreadable, the newest intact one.

    Returns None if nothing was saved yet. Raises CheckpointError if every checkpoint is damaged.
    """
    if not folder.is_dir():
        return None
    latest = _latest(folder)
    if latest is not None:
        return folder / str(latest["path"])
    intact = _newest_intact(folder)
    damaged = [each.name for each in _checkpoints(folder) if each.name[0] != "."]
    if intact is None and damaged:
        raise CheckpointError(
            f"{folder} contains {', '.join(damaged)}, but {LATEST} cannot be read and none of "
            "these is intact; move them away, or choose another --out-dir, to start over"
        )
    return intact


def _latest(folder: Path) -> dict[str, Any] | None:
    try:
        latest: dict[str, Any] = json.loads((folder / LATEST).read_bytes())
        named = STEP.fullmatch(latest["path"]) and (folder / latest["path"]).is_dir()
        return latest if named and latest["manifest_sha256"] else None
    except (FileNotFoundError, ValueError, TypeError, LookupError):
        return None


def _manifest(path: Path) -> tuple[int, int, dict[str, tuple[int, str]]]:
    """Return the format, the step, and the size and digest of each file in the manifest."""
    if not path.exists():
        raise CheckpointError(f"{path} does not exist")
    if not (path / MANIFEST).is_file():
        raise CheckpointError(f"{path} is not a checkpoint: it contains no {MANIFEST}")
    data = (path / MANIFEST).read_bytes()
    latest = _latest(path.parent)
    want = latest["manifest_sha256"] if latest and latest["path"] == path.name else None
    if want not in (None, have := sha256(data).hexdigest()):
        raise CheckpointError(
            f"{path / MANIFEST} has sha256 {have[:12]}, but {LATEST} recorded {str(want)[:12]}; "
            "one of the two is damaged"
        )
    form, step, files = 0, 0, {}
    with suppress(ValueError, TypeError, LookupError, AttributeError):
        manifest = json.loads(data)
        form = int(manifest["format"])
        step = int(manifest["step"])
        files = {
            name: (int(listed["bytes"]), str(listed["sha256"]))
            for name, listed in manifest["files"].items()
        }
    if form > FORMAT:
        raise CheckpointError(
            f"{path} was written by a newer ddpm-core: format {form} > {FORMAT}. Upgrade ddpm-core"
        )
    if form < 1 or "state.json" not in files or any(Path(name).name != name for name in files):
        raise CheckpointError(f"{path / MANIFEST} is not a checkpoint manifest")
    if STEP.fullmatch(path.name) and step != _step(path):
        raise CheckpointError(
            f"{path / MANIFEST} records step {step}, which contradicts the name of its folder"
        )
    return form, step, files


def _verified(path: Path, files: Mapping[str, tuple[int, str]]) -> Iterator[tuple[str, bytes]]:
    """Yield each listed file's name and bytes, checked against the listed size and digest."""
    for name, (size, digest) in files.items():
        if not (path / name).is_file():
            raise CheckpointError(f"{path / name} is missing, but {MANIFEST} lists it")
        data = (path / name).read_bytes()
        if len(data) != size:
            raise CheckpointError(
                f"{path / name} has {len(data):,} bytes, but {MANIFEST} lists {size:,}"
            )
        if (have := sha256(data).hexdigest()) != digest:
            raise CheckpointError(
                f"{path / name} is damaged: its sha256 is {have[:12]}, but {MANIFEST} lists "
                f"{digest[:12]}"
            )
        yield name, data


def _step(path: Path) -> int:
    found = STEP.fullmatch(path.name)
    return int(found[1] or found[2]) if found else -1


def _checkpoints(folder: Path) -> list[Path]:
    """List everything named like a checkpoint, newest first; within a step, in-place first."""
    named = [each for each in folder.glob("*") if STEP.fullmatch(each.name)]
    return sorted(named, key=lambda each: (_step(each), each.name), reverse=True)


def _newest_intact(folder: Path, exclude: Path | None = None) -> Path | None:
    for each in _checkpoints(folder):
        try:
            if each != exclude and all(_verified(each, _manifest(each)[2])):
                return each
        except CheckpointError:
            continue
    return None


def _remedy(path: Path) -> str:
    for folder in (path.parent, path, path / "checkpoints"):
        other = _newest_intact(folder, exclude=path)
        if other is not None:
            return f"{other} is intact: pass it instead, or --resume {other}"
    return "no other checkpoint here is intact (another --out-dir starts over)"
