"""Checkpoints: tensors as safetensors, the rest as JSON, every byte under a SHA-256 manifest.

A checkpoint gets its name only when it is whole and on the disk, so a kill at any moment leaves the
one before it. Nothing is pickled, so loading a stranger's file runs none of its code.
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
# Names with a leading dot are whole or half-written checkpoints that are not in place (any more).
STEP = re.compile(r"step-(\d+)|\.step-(\d+)\.(?:tmp|old)-\w+")


class CheckpointError(ValueError):
    """A checkpoint that is not there, not whole, or not ours to read."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What was saved at `step`: tensors by group and name, and JSON values."""

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
    """Write `folder`/step-<step>, name it in LATEST.json, keep the `keep` newest up to this step.

    Checkpoints of later steps go too: this run went back behind them. One process at a time writes
    here (see RunLock). An OSError, such as a full disk, leaves the checkpoints before it intact.
    """
    if step < 0 or keep < 1:
        raise ValueError(f"step = {step}, keep = {keep}: a step is >= 0, and one at least is kept")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"step-{step:06d}"
    temporary = folder / f".{path.name}.tmp-{secrets.token_hex(4)}"
    try:
        digest = _write(temporary, step, tensors, state)
        _put_in_place(temporary, path)
        latest = {"step": step, "path": path.name, "manifest_sha256": digest}
        write_json(folder / LATEST, latest)
    except OSError as error:
        error.strerror = f"{error.strerror} (saving step {step}; checkpoints before it are intact)"
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
    """All the files, through to the disk; returns the digest of the manifest."""
    temporary.mkdir()
    files = {}

    def put(name: str, data: bytes) -> str:
        write_synced(temporary / name, data)
        files[name] = {"bytes": len(data), "sha256": sha256(data).hexdigest()}
        return sha256(data).hexdigest()

    for group, named in tensors.items():
        # Copied, since safetensors stores neither views nor two names of one storage.
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
    """Rename, after moving aside what has the name; both are found if that is where it ends."""
    if path.exists():
        (path.parent / LATEST).unlink(missing_ok=True)  # it may vouch for the manifest that goes
        sync_folder(path.parent)
        os.rename(path, path.with_name(temporary.name.replace(".tmp-", ".old-")))
    os.rename(temporary, path)
    sync_folder(path.parent)


# --- reading --------------------------------------------------------------------------------------


def load_checkpoint(path: Path, groups: Iterable[str] = (), keys: Iterable[str] = ()) -> Checkpoint:
    """Read `path`, every byte checked against its manifest, and that against LATEST.json.

    Files that the manifest does not list are never opened. Raises CheckpointError, which names the
    file at fault and a checkpoint that is intact; so too where one of `groups` of tensors or `keys`
    of the state is missing.
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
        raise CheckpointError(f"{error}; {_way_out(path)}") from None
    if form == 1:
        tensors = {group: format_1.renamed_layers(named) for group, named in tensors.items()}
        state = format_1.renamed_state(state)
    return Checkpoint(path, step, tensors, state)


def _refuse_missing(path: Path, wanted: Iterable[str], there: Iterable[str]) -> None:
    missing = sorted({*wanted} - {*there})
    if missing:
        raise CheckpointError(f"{path} lacks {', '.join(missing)}: this is no run of ddpm-core")


def _tensors(path: Path, data: bytes) -> dict[str, Tensor]:
    try:
        return load(data)
    except SafetensorError as error:  # not damage, which the digest sees: somebody else wrote it
        raise CheckpointError(f"{path} is not a file of safetensors: {error}") from None


def latest_checkpoint(folder: Path) -> Path | None:
    """The checkpoint that LATEST.json names, or without one that can be read, the newest intact.

    None where nothing was saved yet. Raises CheckpointError where all that was saved is damaged.
    """
    latest = _latest(folder)
    if latest is not None:
        return folder / str(latest["path"])
    intact = _newest_intact(folder)
    damaged = [each.name for each in _checkpoints(folder) if each.name[0] != "."]
    if intact is None and damaged:
        raise CheckpointError(
            f"{folder} holds {', '.join(damaged)}, but {LATEST} cannot be read and none of them is "
            "intact; move them away, or choose another --out-dir, to start afresh"
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
    """Return the format, the step, and the size and digest of each file, as listed at `path`."""
    if not path.exists():
        raise CheckpointError(f"{path} does not exist")
    if not (path / MANIFEST).is_file():
        raise CheckpointError(f"{path} is no checkpoint: it is no folder with a {MANIFEST}")
    data = (path / MANIFEST).read_bytes()
    latest = _latest(path.parent)
    want = latest["manifest_sha256"] if latest and latest["path"] == path.name else None
    if want not in (None, have := sha256(data).hexdigest()):
        raise CheckpointError(
            f"{path / MANIFEST} has sha256 {have[:12]}, not the {str(want)[:12]} that {LATEST} "
            "recorded, so one of the two is damaged"
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
            f"{path} was written by a newer ddpm-core, format {form} > {FORMAT}: upgrade ddpm-core"
        )
    if form < 1 or "state.json" not in files or any(Path(name).name != name for name in files):
        raise CheckpointError(f"{path / MANIFEST} is not the manifest of a checkpoint")
    if STEP.fullmatch(path.name) and step != _step(path):
        raise CheckpointError(
            f"{path / MANIFEST} says step {step}, which the name of its folder denies"
        )
    return form, step, files


def _verified(path: Path, files: Mapping[str, tuple[int, str]]) -> Iterator[tuple[str, bytes]]:
    """Each listed file, with bytes of the size and digest that are listed."""
    for name, (size, digest) in files.items():
        if not (path / name).is_file():
            raise CheckpointError(f"{path / name} is missing, though {MANIFEST} lists it")
        data = (path / name).read_bytes()
        if len(data) != size:
            raise CheckpointError(
                f"{path / name} has {len(data):,} bytes, not the {size:,} that {MANIFEST} lists"
            )
        if (have := sha256(data).hexdigest()) != digest:
            raise CheckpointError(
                f"{path / name} is damaged: its sha256 is {have[:12]}, not the {digest[:12]} that "
                f"{MANIFEST} lists"
            )
        yield name, data


def _step(path: Path) -> int:
    found = STEP.fullmatch(path.name)
    return int(found[1] or found[2]) if found else -1


def _checkpoints(folder: Path) -> list[Path]:
    """What is named like a checkpoint, newest first; of one step, the one in place first."""
    named = [each for each in folder.glob("*") if STEP.fullmatch(each.name)]
    return sorted(named, key=lambda each: (_step(each), each.name), reverse=True)


def _newest_intact(folder: Path, but: Path | None = None) -> Path | None:
    for each in _checkpoints(folder):
        try:
            if each != but and all(_verified(each, _manifest(each)[2])):
                return each
        except CheckpointError:
            continue
    return None


def _way_out(path: Path) -> str:
    for folder in (path.parent, path, path / "checkpoints"):
        other = _newest_intact(folder, but=path)
        if other is not None:
            return f"{other} is intact: name it, or --resume {other}"
    return "no other checkpoint beside it is intact (another --out-dir starts afresh)"
