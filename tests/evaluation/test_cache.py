"""The result cache: keys, files, and which results are computed again."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from ddpm_core.data.dataset import load_dataset
from ddpm_core.evaluation import flow_likelihood as flow
from ddpm_core.evaluation.cache import cache_file, cache_key, pack, unpack, weights_digest
from ddpm_core.schedules import Schedule
from ddpm_core.training.trained import load_trained
from tests.evaluation.evaluated import in_batches_of_two

CPU = torch.device("cpu")
pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.mark.parametrize("plain", [(), ("--flow", "4", "--strata", "2")], ids=["bound", "flow"])
@pytest.mark.parametrize(
    "flags",
    [
        ("--no-clip",),
        ("--variance", "fixed_large"),
        ("--strata", "4"),
        ("--flow", "8"),
        ("--seed", "1"),
        ("--batch-size", "4"),
        ("--n", "8"),
    ],
    ids=lambda flags: flags[0],
)
def test_cache_of_other_options_is_not_used(runs, tmp_path, plain, flags):
    """After a call with other options, results equal those in an empty folder."""
    first = in_batches_of_two(runs["RUN"], tmp_path / "used", "--n", "4", *plain)
    got = in_batches_of_two(runs["RUN"], tmp_path / "used", "--n", "4", *plain, *flags)
    want = in_batches_of_two(runs["RUN"], tmp_path / "empty", "--n", "4", *plain, *flags)
    assert got == want
    shown = ("bits_per_dim", "terms", "flow")
    if flags[0] != "--batch-size":
        assert [got[name] for name in shown] != [first[name] for name in shown]


def test_cache_files_are_written_atomically(runs, tmp_path, monkeypatch):
    real, names = flow.write_bytes, []
    monkeypatch.setattr(
        flow, "write_bytes", lambda path, data: names.append(path) or real(path, data)
    )
    in_batches_of_two(runs["RUN"], tmp_path, "--n", "4", "--strata", "2", "--flow", "4")
    assert names == sorted((tmp_path / "flow").iterdir())


def test_cache_key_depends_on_the_autoencoder(latent_run):
    trained, data = load_trained(latent_run, CPU), load_dataset("digits")
    other = replace(trained, space=replace(trained.space, digest="another"))
    assert cache_key(trained, data, ()) != cache_key(other, data, ())


def test_cache_key_depends_on_weights_schedule_data_and_options(runs):
    trained, data = load_trained(runs["RUN"], CPU), load_dataset("digits")
    key = cache_key(trained, data, (1, None))
    assert key == cache_key(load_trained(runs["RUN"], CPU), data, (1, None))
    changed = replace(data, images=data.images ^ 1)
    schedule = Schedule(trained.schedule.log_alpha_bar * 1.5)
    others = [cache_key(trained, data, options) for options in ((1, 0), (1,), ("1", None))]
    others += [cache_key(trained, changed, (1, None))]
    others += [cache_key(replace(trained, schedule=schedule), data, (1, None))]
    next(trained.network.parameters()).data.flatten()[0] += 1
    others += [cache_key(trained, data, (1, None))]
    assert len({key, *others}) == 7


def test_digest_of_weights_depends_on_their_names_and_values():
    network = nn.ModuleDict({"a": nn.Linear(2, 1)})
    digest = weights_digest(network)
    assert weights_digest(nn.ModuleDict({"a": network["a"]})) == digest
    assert weights_digest(nn.ModuleDict({"b": network["a"]})) != digest
    network["a"].bias.data += 1
    assert weights_digest(network) != digest


def test_arrays_are_read_back_under_their_key_only(tmp_path):
    """A missing, damaged or incomplete file, or one of another key, gives None."""
    path, numbers = tmp_path / "a.npz", np.array([1.5, np.pi])
    assert unpack(path, "key", ["numbers"]) is None
    content = pack("key", numbers=numbers, more=np.arange(3))
    path.write_bytes(content)
    found = unpack(path, "key", ["numbers", "more"])
    assert found["numbers"].tobytes() == numbers.tobytes()
    assert found["more"].tolist() == [0, 1, 2]
    assert unpack(path, "another key", ["numbers"]) is None
    assert unpack(path, "key", ["numbers", "absent"]) is None
    for size in (0, 1, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:size])
        assert unpack(path, "key", ["numbers"]) is None


def test_objects_are_not_unpickled(tmp_path):
    path = tmp_path / "a.npz"
    path.write_bytes(pack("key", numbers=np.array([{}], dtype=object)))
    assert unpack(path, "key", ["numbers"]) is None


def test_batches_with_other_keys_or_images_have_other_files(tmp_path):
    """Also those with the same first image and the same number of images."""
    batches = [("k", [3, 4]), ("k", [3, 5]), ("k", [3]), ("k", [0, 4]), ("other", [3, 4])]
    files = [cache_file(tmp_path, key, torch.tensor(indices)) for key, indices in batches]
    assert files[0] == cache_file(tmp_path, "k", torch.tensor([3, 4]))
    assert len({path for path, _ in files}) == len({key for _, key in files}) == 5
    assert sorted(files)[0][0].name.startswith("000000-2-"), "files are in the order of images"
