"""A checkpoint is whole or not there, and no damage to it goes unseen."""

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

# --- what is saved is what is loaded --------------------------------------------------------------


def bits(tensor: Tensor) -> bytes:
    return bytes(tensor.contiguous().reshape(-1).view(torch.uint8).tolist())


def odd_tensors() -> dict[str, Tensor]:
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


def test_every_kind_of_tensor_comes_back_bit_by_bit(tmp_path):
    tensors = odd_tensors()
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


def test_a_loaded_tensor_shares_memory_with_nothing(tmp_path):
    weight = torch.zeros(4)
    path = save_checkpoint(tmp_path, 1, {"model": {"a": weight, "b": weight}}, {})
    loaded = load_checkpoint(path).tensors["model"]
    loaded["a"].fill_(1)
    assert torch.equal(weight, torch.zeros(4))
    assert torch.equal(loaded["b"], torch.zeros(4))
    assert torch.equal(load_checkpoint(path).tensors["model"]["a"], torch.zeros(4))


def test_the_same_content_has_the_same_bytes(tmp_path):
    for run in ("a", "b"):
        torch.manual_seed(0)
        save_checkpoint(tmp_path / run, 7, {"model": odd_tensors()}, {"b": 1, "a": 2})
    files = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*.*"))
    assert len(files) == 4
    assert all(
        (tmp_path / "a" / f).read_bytes() == (tmp_path / "b" / f).read_bytes() for f in files
    )


def test_nothing_is_unpickled_and_a_file_not_listed_is_not_opened(tmp_path, monkeypatch):
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
    with pytest.raises(CheckpointError, match=r"model.safetensors is not a file of safetensors"):
        load_checkpoint(path)
    assert not (tmp_path / "exploded").exists()


# --- damage ---------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two checkpoints, of steps 400 and 500."""
    put(tmp_path / "checkpoints", 400)
    put(tmp_path / "checkpoints", 500)
    return tmp_path / "checkpoints"


def refused(path: Path) -> str:
    with pytest.raises(CheckpointError) as error:
        load_checkpoint(path)
    return str(error.value)


@pytest.mark.parametrize(("step", "other"), [(500, 400), (400, 500)])
def test_any_flipped_bit_is_refused_with_its_file_and_a_way_out(folder, step, other):
    path, intact = folder / f"step-{step:06d}", folder / f"step-{other:06d}"
    for file in path.iterdir():
        data = file.read_bytes()
        for i in range(step % 3, len(data), 3):
            flipped = bytes([data[i] ^ (1 << i % 8)])
            file.write_bytes(data[:i] + flipped + data[i + 1 :])
            message = refused(path)
            where = file if file.name != "MANIFEST.json" else path
            assert str(where) in message, (i, message)
            assert message.endswith(f"{intact} is intact: name it, or --resume {intact}"), message
        file.write_bytes(data)
    assert load_checkpoint(path).step == step


def test_a_flipped_bit_is_told_with_both_digests(folder):
    file = folder / "step-000500" / "model.safetensors"
    data = file.read_bytes()
    file.write_bytes(data[:-1] + b"\1")
    want, have = hashlib.sha256(data).hexdigest()[:12], hashlib.sha256(data[:-1] + b"\1")
    assert refused(folder / "step-000500").startswith(
        f"{file} is damaged: its sha256 is {have.hexdigest()[:12]}, not the {want} that "
        "MANIFEST.json lists; "
    )


@pytest.mark.parametrize("name", ["model.safetensors", "state.json", "MANIFEST.json"])
@pytest.mark.parametrize("size", [0, 1, -1, None])
def test_a_truncated_or_missing_file_is_refused(folder, name, size):
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


def test_a_manifest_that_was_rewritten_is_not_the_one_recorded(folder):
    manifest = folder / "step-000500" / "MANIFEST.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text())))
    message = refused(folder / "step-000500")
    assert f"{manifest} has sha256" in message
    assert "LATEST.json recorded, so one of the two is damaged" in message


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
def test_a_manifest_that_is_none_is_refused(folder, text):
    path = folder / "step-000500"
    rewrite_manifest(path, text)
    assert f"{path / 'MANIFEST.json'} is not the manifest of a checkpoint; " in refused(path)


def test_a_newer_format_says_to_upgrade(folder):
    path = folder / "step-000500"
    manifest = json.loads((path / "MANIFEST.json").read_text())
    rewrite_manifest(path, json.dumps({"format": 3, "step": 500, "new": manifest["files"]}))
    assert f"{path} was written by a newer ddpm-core, format 3 > 2: upgrade" in refused(path)
    (path / "MANIFEST.json").write_text(json.dumps({**manifest, "format": 0}))
    assert "is not the manifest of a checkpoint" in refused(path)


def test_a_path_that_is_no_checkpoint_names_one_that_is(folder):
    newest = folder / "step-000500"
    way_out = f"; {newest} is intact: name it, or --resume {newest}"
    for path in (folder, folder.parent, folder / "LATEST.json"):
        assert refused(path) == (
            f"{path} is no checkpoint: it is no folder with a MANIFEST.json{way_out}"
        )
    assert refused(folder / "step-000300") == f"{folder / 'step-000300'} does not exist{way_out}"
    assert refused(folder.parent / "other" / "step-1").endswith(
        "step-1 does not exist; no other checkpoint beside it is intact (another --out-dir starts "
        "afresh)"
    )


def test_a_checkpoint_may_be_copied_elsewhere_but_not_renamed_to_another_step(folder):
    shutil.copytree(folder / "step-000400", folder.parent / "best")
    assert load_checkpoint(folder.parent / "best").step == 400
    shutil.copytree(folder / "step-000400", folder / "step-000900")
    assert "says step 400, which the name of its folder denies" in refused(folder / "step-000900")


# --- the newest -----------------------------------------------------------------------------------


def test_before_the_first_save_there_is_no_checkpoint(tmp_path):
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
def test_without_a_sound_latest_the_newest_intact_one_is_found(folder, torn):
    (folder / "LATEST.json").unlink()
    if torn is not None:
        (folder / "LATEST.json").write_bytes(torn)
    assert latest_checkpoint(folder) == folder / "step-000500"
    (folder / "step-000500" / "state.json").unlink()
    assert latest_checkpoint(folder) == folder / "step-000400"
    (folder / "step-000400" / "state.json").unlink()
    with pytest.raises(
        CheckpointError, match=r"holds step-000500, step-000400, but LATEST.json can"
    ):
        latest_checkpoint(folder)


def test_the_newest_are_kept_and_nothing_of_others_is_touched(tmp_path):
    (tmp_path / "step-000001-mine").mkdir()
    (tmp_path / ".step-000002.tmp-0123abcd").mkdir()  # of a run that was killed
    for step in (1, 2, 3, 10, 1_000_000):
        put(tmp_path, step, keep=3)
    names = {"step-000003", "step-000010", "step-1000000", "step-000001-mine", "LATEST.json"}
    assert set(os.listdir(tmp_path)) == names


def test_a_run_that_went_back_keeps_what_it_saves_and_drops_what_it_left_behind(tmp_path):
    for step in (400, 500):
        put(tmp_path, step)
    put(tmp_path, 450, keep=1)
    assert set(os.listdir(tmp_path)) == {"step-000450", "LATEST.json"}


def test_a_damaged_checkpoint_is_replaced_by_saving_its_step_again(folder):
    (folder / "step-000500" / "model.safetensors").write_bytes(b"")
    put(folder, 500, value=7)
    assert newest_value(folder) == 7
    assert set(os.listdir(folder)) == {"step-000400", "step-000500", "LATEST.json"}


@pytest.mark.parametrize(("step", "keep"), [(-1, 2), (1, 0)])
def test_a_step_below_0_and_keeping_none_are_refused(tmp_path, step, keep):
    with pytest.raises(ValueError, match=f"step = {step}, keep = {keep}"):
        put(tmp_path, step, keep=keep)
    assert os.listdir(tmp_path) == []
