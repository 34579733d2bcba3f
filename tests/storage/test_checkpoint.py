"""Checkpoints load bit for bit, and every kind of damage is detected."""

import hashlib
import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ddpm_core.storage.checkpoint import (
    CheckpointError,
    latest_checkpoint,
    load_checkpoint,
    save_checkpoint,
)
from tests.storage.crash import newest_value, put

# --- round trip -----------------------------------------------------------------------------------


def bits(tensor: Tensor) -> bytes:
    return bytes(tensor.contiguous().reshape(-1).view(torch.uint8).tolist())


def unusual_tensors() -> dict[str, Tensor]:
    base = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    return {
        "plain": base,
        "view of plain": base[1:3],
        "transposed": base.t(),
        "expanded": torch.tensor([1.0, 2.0]).expand(3, 2),
        "channels_last": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
        "0-d": torch.tensor(3.0),
        "empty": torch.zeros(0, 3),
        "bf16": base.bfloat16(),
        "float64": base.double() / 3,
        "int64": torch.tensor([2**62, -1]),
        "bool": torch.tensor([True, False]),
        "special": torch.tensor([float("nan"), -0.0, float("inf"), 1e-45]),
        "trained": torch.nn.Parameter(base.clone()),
    }


def test_every_kind_of_tensor_round_trips_bit_for_bit(tmp_path):
    tensors = unusual_tensors()
    state = {"losses": [0.1, 1e-300], "config": {"T": 1000, "name": "ε", "none": None}}
    path = save_checkpoint(tmp_path, 500, {"model": tensors, "optimizer": {}}, state)
    assert path == tmp_path / "step-000500"
    found = load_checkpoint(path)
    assert (found.path, found.step, found.state) == (path, 500, state)
    assert found.tensors.keys() == {"model", "optimizer"}
    assert found.tensors["optimizer"] == {}
    assert found.tensors["model"].keys() == tensors.keys()
    for name, tensor in tensors.items():
        mine = found.tensors["model"][name]
        assert (mine.dtype, mine.shape) == (tensor.dtype, tensor.shape), name
        assert bits(mine) == bits(tensor.detach()), name
        assert not mine.requires_grad, name


def test_loaded_tensors_share_no_memory(tmp_path):
    weight = torch.zeros(4)
    path = save_checkpoint(tmp_path, 1, {"model": {"a": weight, "b": weight}}, {})
    loaded = load_checkpoint(path).tensors["model"]
    loaded["a"].fill_(1)
    assert torch.equal(weight, torch.zeros(4))
    assert torch.equal(loaded["b"], torch.zeros(4))
    assert torch.equal(load_checkpoint(path).tensors["model"]["a"], torch.zeros(4))


def test_equal_content_gives_equal_bytes(tmp_path):
    for run in ("a", "b"):
        torch.manual_seed(0)
        save_checkpoint(tmp_path / run, 7, {"model": unusual_tensors()}, {"b": 1, "a": 2})
    files = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*.*"))
    assert len(files) == 4
    for f in files:
        assert (tmp_path / "a" / f).read_bytes() == (tmp_path / "b" / f).read_bytes()


def test_nothing_is_unpickled_and_unlisted_files_are_not_opened(tmp_path, monkeypatch):
    class Bomb:
        def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
            return os.mkdir, (str(tmp_path / "exploded"),)

    path = put(tmp_path, 1)
    (path / "extra.safetensors").write_bytes(pickle.dumps(Bomb()))
    (path / "model.pt").write_bytes(pickle.dumps(Bomb()))
    for module, name in (
        (pickle, "loads"),
        (pickle, "load"),
        (pickle, "Unpickler"),
        (torch, "load"),
    ):
        monkeypatch.delattr(module, name)
    assert newest_value(tmp_path) == 1
    assert load_checkpoint(path).tensors.keys() == {"model", "ema"}
    assert not (tmp_path / "exploded").exists()

    (path / "model.safetensors").write_bytes(pickle.dumps(Bomb()))
    manifest = json.loads((path / "MANIFEST.json").read_text())
    data = (path / "model.safetensors").read_bytes()
    listed = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    manifest["files"]["model.safetensors"] = listed
    (path / "MANIFEST.json").write_text(json.dumps(manifest))
    (tmp_path / "LATEST.json").unlink()
    with pytest.raises(CheckpointError, match=r"model.safetensors is not a safetensors file"):
        load_checkpoint(path)
    assert not (tmp_path / "exploded").exists()


# --- damage ---------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write checkpoints of steps 400 and 500."""
    put(tmp_path / "checkpoints", 400)
    put(tmp_path / "checkpoints", 500)
    return tmp_path / "checkpoints"


def refused(path: Path) -> str:
    with pytest.raises(CheckpointError) as error:
        load_checkpoint(path)
    return str(error.value)


@pytest.mark.parametrize(("step", "other"), [(500, 400), (400, 500)])
def test_any_flipped_bit_is_refused_with_its_file_and_a_remedy(folder, step, other):
    path, intact = folder / f"step-{step:06d}", folder / f"step-{other:06d}"
    for file in path.iterdir():
        data = file.read_bytes()
        for i in range(step % 3, len(data), 3):
            flipped = bytes([data[i] ^ (1 << i % 8)])
            file.write_bytes(data[:i] + flipped + data[i + 1 :])
            message = refused(path)
            where = file if file.name != "MANIFEST.json" else path
            assert str(where) in message, (i, message)
            assert message.endswith(f"{intact} is intact: pass it instead, or --resume {intact}"), (
                message
            )
        file.write_bytes(data)
    assert load_checkpoint(path).step == step


def test_digest_mismatch_reports_both_digests(folder):
    file = folder / "step-000500" / "model.safetensors"
    data = file.read_bytes()
    file.write_bytes(data[:-1] + b"\1")
    want, have = hashlib.sha256(data).hexdigest()[:12], hashlib.sha256(data[:-1] + b"\1")
    assert refused(folder / "step-000500").startswith(
        f"{file} is damaged: its sha256 is {have.hexdigest()[:12]}, but MANIFEST.json lists "
        f"{want}; "
    )


@pytest.mark.parametrize("name", ["model.safetensors", "state.json", "MANIFEST.json"])
@pytest.mark.parametrize("size", [0, 1, -1, None])
def test_truncated_or_missing_file_is_refused(folder, name, size):
    file = folder / "step-000500" / name
    data = file.read_bytes()
    file.unlink()
    if size is not None:
        file.write_bytes(data[:size])
    message = refused(folder / "step-000500")
    if name == "MANIFEST.json":
        assert name in message
    else:
        assert f"{file} {'is missing' if size is None else 'has '}" in message


def rewrite_manifest(path: Path, text: str) -> None:
    (path / "MANIFEST.json").write_text(text)
    (path.parent / "LATEST.json").unlink()


def test_rewritten_manifest_contradicts_latest(folder):
    manifest = folder / "step-000500" / "MANIFEST.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text())))
    message = refused(folder / "step-000500")
    for part in (f"{manifest} has sha256", "but LATEST.json recorded", "one of the two is damaged"):
        assert part in message


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "\0" * 50,
        '{"format": 1, "step": 500, "files": {}}',
        '{"format": 1, "step": 500, "files": {"state.json": {}}}',
        '{"format": 1, "step": 500, "files": {"state.json": {"bytes": 0, "sha256": ""},'
        ' "../up": {"bytes": 0, "sha256": ""}}}',
    ],
)
def test_malformed_manifest_is_refused(folder, text):
    path = folder / "step-000500"
    rewrite_manifest(path, text)
    assert f"{path / 'MANIFEST.json'} is not a checkpoint manifest; " in refused(path)


def test_newer_format_requires_an_upgrade(folder):
    path = folder / "step-000500"
    manifest = json.loads((path / "MANIFEST.json").read_text())
    rewrite_manifest(path, json.dumps({"format": 3, "step": 500, "new": manifest["files"]}))
    assert f"{path} was written by a newer ddpm-core: format 3 > 2. Upgrade" in refused(path)
    (path / "MANIFEST.json").write_text(json.dumps({**manifest, "format": 0}))
    assert "is not a checkpoint manifest" in refused(path)


def test_error_for_a_wrong_path_names_an_intact_checkpoint(folder):
    newest = folder / "step-000500"
    remedy = f"; {newest} is intact: pass it instead, or --resume {newest}"
    for path in (folder, folder.parent, folder / "LATEST.json"):
        assert refused(path) == f"{path} is not a checkpoint: it contains no MANIFEST.json{remedy}"
    assert refused(folder / "step-000300") == f"{folder / 'step-000300'} does not exist{remedy}"
    assert refused(folder.parent / "other" / "step-1").endswith(
        "step-1 does not exist; no other checkpoint here is intact (another --out-dir starts over)"
    )


def test_checkpoint_may_be_copied_but_not_renamed_to_another_step(folder):
    shutil.copytree(folder / "step-000400", folder.parent / "best")
    assert load_checkpoint(folder.parent / "best").step == 400
    shutil.copytree(folder / "step-000400", folder / "step-000900")
    assert "records step 400, which contradicts the name of its folder" in refused(
        folder / "step-000900"
    )


# --- the newest checkpoint, and what is deleted ---------------------------------------------------


def test_no_checkpoint_before_the_first_save(tmp_path):
    assert latest_checkpoint(tmp_path / "checkpoints") is None
    (tmp_path / ".step-000500.tmp-0123abcd").mkdir()  # a run that was killed in its first save
    assert latest_checkpoint(tmp_path) is None


@pytest.mark.parametrize(
    "torn",
    [
        None,
        b"",
        b"[]",
        b"\0\0",
        b'{"path": "step-000900", "manifest_sha256": "0"}',
        b'{"path": "../checkpoints/step-000400", "manifest_sha256": "0"}',
    ],
)
def test_without_a_readable_latest_the_newest_intact_checkpoint_is_found(folder, torn):
    (folder / "LATEST.json").unlink()
    if torn is not None:
        (folder / "LATEST.json").write_bytes(torn)
    assert latest_checkpoint(folder) == folder / "step-000500"
    (folder / "step-000500" / "state.json").unlink()
    assert latest_checkpoint(folder) == folder / "step-000400"
    (folder / "step-000400" / "state.json").unlink()
    with pytest.raises(
        CheckpointError, match=r"contains step-000500, step-000400, but LATEST.json can"
    ):
        latest_checkpoint(folder)


def test_the_newest_remain_and_unrelated_files_are_untouched(tmp_path):
    (tmp_path / "step-000001-mine").mkdir()
    (tmp_path / ".step-000002.tmp-0123abcd").mkdir()  # of a run that was killed
    for step in (1, 2, 3, 10, 1_000_000):
        put(tmp_path, step, keep=3)
    names = {"step-000003", "step-000010", "step-1000000", "step-000001-mine", "LATEST.json"}
    assert set(os.listdir(tmp_path)) == names


def test_resuming_from_an_earlier_step_deletes_later_checkpoints(tmp_path):
    for step in (400, 500):
        put(tmp_path, step)
    put(tmp_path, 450, keep=1)
    assert set(os.listdir(tmp_path)) == {"step-000450", "LATEST.json"}


def test_saving_a_step_again_replaces_its_damaged_checkpoint(folder):
    (folder / "step-000500" / "model.safetensors").write_bytes(b"")
    put(folder, 500, value=7)
    assert newest_value(folder) == 7
    assert set(os.listdir(folder)) == {"step-000400", "step-000500", "LATEST.json"}


@pytest.mark.parametrize(("step", "keep"), [(-1, 2), (1, 0)])
def test_negative_step_and_keep_0_are_refused(tmp_path, step, keep):
    with pytest.raises(ValueError, match=f"step = {step}, keep = {keep}"):
        put(tmp_path, step, keep=keep)
    assert os.listdir(tmp_path) == []
