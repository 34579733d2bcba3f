"""Class-conditional training and sampling: labels of the network and classes of the samples."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ddpm_core.data.space import PIXELS
from ddpm_core.data.split import spread
from ddpm_core.denoiser import ClipX0
from ddpm_core.generation import generate_images as drawing
from ddpm_core.guidance import Guided, drop_labels
from ddpm_core.randomness import keyed_generator
from ddpm_core.sample import main as sample
from ddpm_core.train import main as train
from ddpm_core.training import diffusion_run as diffusion
from ddpm_core.training import step
from ddpm_core.training.diffusion_config import TrainConfig
from ddpm_core.training.diffusion_run import DiffusionTask
from ddpm_core.training.trained import load_trained
from tests.training.miniature_runs import SharedRuns, refused

SMALL = TrainConfig(
    width=8,
    multipliers=(1,),
    batch_size=64,
    T=20,
    schedule="cosine",
    device="cpu",
    conditional=True,
)


def labels_and_conditions(
    config: TrainConfig, number: int
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return the classes of a step's images, and the labels that the network is conditioned on."""
    run = DiffusionTask.prepare(config)
    calls: list[Any] = []
    run.state.network.register_forward_pre_hook(lambda module, given: calls.append(given))
    step.train_step(config, run.schedule, run.dataset, run.state, number, run.device)
    indices = step.batch_indices(run.dataset.train, config.seed, number, config.batch_size)
    assert run.dataset.labels is not None
    labels = [given[2] for given in calls] if len(calls[0]) == 3 else []
    return run.dataset.labels[indices], torch.cat(labels) if labels else None


def test_label_dropout_has_its_own_random_stream():
    """They are those of drop_labels, with a generator keyed by the step."""
    config = dataclasses.replace(SMALL, label_dropout=0.25)
    for number in (0, 7):
        true, seen = labels_and_conditions(config, number)
        generator = keyed_generator(config.seed, "label dropout", number)
        assert torch.equal(seen, drop_labels(true, 0.25, 10, generator))


def test_preview_uses_the_ema_weights_and_the_label_of_each_image(monkeypatch, tmp_path):
    run = DiffusionTask.prepare(dataclasses.replace(SMALL, parameterization="v", out_dir=tmp_path))
    seen = []
    real = diffusion.preview
    monkeypatch.setattr(diffusion, "preview", lambda *a, **k: seen.append((a, k)) or real(*a, **k))
    run.preview(tmp_path, 0, None)
    ((denoiser, schedule, images, _), named) = seen[0]
    assert named["space"] is PIXELS
    assert denoiser.network is run.state.ema.network
    assert denoiser.parameterization == "v"
    assert schedule is run.schedule
    few = spread(run.dataset.validation, 500)
    assert torch.equal(images, run.dataset.take(few))
    assert run.dataset.labels is not None
    assert torch.equal(named["labels"], run.dataset.labels[few])


@pytest.mark.parametrize("accumulate", [1, 2])
def test_network_is_conditioned_on_the_class_of_each_image_or_on_none(accumulate):
    config = dataclasses.replace(SMALL, label_dropout=0.5, accumulate=accumulate)
    labels, given = labels_and_conditions(config, 0)
    assert given is not None
    dropped = given == 10
    assert 10 < dropped.sum() < 54  # of 64: 5.5 standard deviations
    assert torch.equal(given[~dropped], labels[~dropped])


def test_steps_and_seeds_drop_different_labels():
    config = dataclasses.replace(SMALL, label_dropout=0.5)
    seeds = [dataclasses.replace(config, seed=seed) for seed in (0, 1)]
    patterns = {
        tuple((given == 10).tolist())
        for each in seeds
        for i in (0, 1)
        for _, given in [labels_and_conditions(each, i)]
    }
    assert len(patterns) == 4


def test_dropout_0_drops_no_label_and_an_unconditional_network_gets_none():
    labels, given = labels_and_conditions(dataclasses.replace(SMALL, label_dropout=0.0), 0)
    assert torch.equal(labels, given)
    _, given = labels_and_conditions(dataclasses.replace(SMALL, conditional=False), 0)
    assert given is None


def test_held_out_error_is_conditioned_on_the_classes():
    run = DiffusionTask.prepare(SMALL)
    few, labels = run._heldout(run.dataset.test)
    assert torch.equal(labels, run.dataset.labels[run.dataset.test])
    assert len(few) == len(labels)
    calls = []
    run.state.ema.network.register_forward_pre_hook(lambda module, given: calls.append(given))
    run.test_error()
    assert torch.equal(torch.cat([given[2] for given in calls[: -(-len(few) // 256)]]), labels)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--label-dropout 0.2", "--label-dropout = 0.2 needs --conditional; add it"),
        ("--conditional --label-dropout 1", "--label-dropout = 1.0 is outside [0, 1)"),
        ("--conditional --label-dropout nan", "--label-dropout = nan is outside [0, 1)"),
    ],
)
def test_label_dropout_out_of_range_or_without_classes_is_refused(capsys, flags, message):
    assert message in refused(capsys, train, *flags.split())


@pytest.fixture(scope="module")
def runs(shared_runs: SharedRuns, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Three short runs: class-conditional, without label dropout, and unconditional."""
    flags = {
        "RUN": ["--conditional"],
        "NO_DROPOUT": ["--conditional", "--label-dropout", "0"],
        "BARE": [],
    }
    folder = tmp_path_factory.mktemp("runs")
    return {name: shared_runs.train(folder / name, *more) for name, more in flags.items()}


def drawn_with(
    runs: dict[str, Path], out: Path, monkeypatch: pytest.MonkeyPatch, *flags: str
) -> tuple[list[list[int]], list[list[int]], Any]:
    """Return the labels and the indices of each batch, and the denoiser."""
    labels, indices, denoisers = [], [], []
    real = drawing.generate

    def recorded(sampler: Any, denoiser: Any, shape: Any, **named: Any) -> Any:
        labels.append(None if named["cond"] is None else named["cond"].tolist())
        indices.append(list(named["indices"]))
        denoisers.append(denoiser)
        return real(sampler, denoiser, shape, **named)

    monkeypatch.setattr(drawing, "generate", recorded)
    assert sample([str(runs["RUN"]), "--out-dir", str(out), "--steps", "2", *flags]) == 0
    return labels, indices, denoisers[0]


@pytest.mark.parametrize(
    ("flags", "labels", "indices", "name"),
    [
        ("--n 2 --class 3", [[3, 3]], [[0, 1]], "-class-3"),
        ("--n 1 --class 3,5", [[3, 5]], [[0, 0]], "-class-3-5"),
        ("--n 2 --class 7 0 --batch-size 3", [[7, 7, 0], [0]], [[0, 1, 0], [1]], "-class-7-0"),
        ("--n 1 --first 4 --class all", [[*range(10)]], [[4] * 10], "-from-4-class-all"),
        ("--n 2", [None], [[0, 1]], ""),
    ],
)
def test_each_class_is_drawn_from_the_same_noise(
    runs, tmp_path, monkeypatch, flags, labels, indices, name
):
    got = drawn_with(runs, tmp_path, monkeypatch, *flags.split())
    assert got[:2] == (labels, indices)
    (array,) = tmp_path.glob("*.npy")
    n = flags.split()[1]
    assert array.stem == f"step-000002-seed-0-{n}-samples-2-steps{name}"
    assert len(np.load(array)) == sum(map(len, indices))


def test_guidance_options_are_used_and_its_prediction_is_clipped_once(runs, tmp_path, monkeypatch):
    flags = "--n 1 --class 3 --guidance-scale 2 --guidance-rescale 0.5 --guidance-interval 4 17"
    *_, denoiser = drawn_with(runs, tmp_path, monkeypatch, *flags.split())
    assert type(denoiser) is ClipX0
    guided = denoiser.denoiser
    assert type(guided) is Guided
    assert (guided.scale, guided.no_label) == (2.0, 10)
    assert (guided.rescale, guided.interval) == (0.5, (4, 17))
    name = "step-000002-seed-0-1-samples-2-steps-scale-2-rescale-0.5-interval-4-17-class-3"
    assert (tmp_path / f"{name}.npy").exists()


def test_classes_are_chosen_by_their_names_in_the_data(runs):
    trained = load_trained(runs["RUN"], torch.device("cpu"))
    named = dataclasses.replace(trained, class_names=("cat", "1", "dog"))
    choose = drawing.chosen_classes
    assert choose(drawing.SampleConfig(Path(), class_=("dog", "0", "1")), named) == [2, 0, 1]
    with pytest.raises(ValueError, match=r"--class dgo is unknown; .* Did you mean dog"):
        choose(drawing.SampleConfig(Path(), class_=("dgo",)), named)


def test_comparison_with_classes_has_them_in_its_file_name(runs, tmp_path):
    flags = ["--compare", "--class", "3", "5", "--out-dir", str(tmp_path)]
    assert sample([str(runs["RUN"]), *flags]) == 0
    assert (tmp_path / "step-000002-seed-0-class-3-5-compare.png").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("BARE --class 3", "was trained without classes; omit it, or train with"),
        ("RUN --class 10", "--class 10 is unknown; the 10 classes are 0, 1, 2"),
        ("RUN --class -1", "-1"),
        ("RUN --class three", "--class three is unknown"),
        ("RUN --class 3 5 3", "--class 3 5 3 contains a class twice"),
        (
            "RUN --class 3 --guidance-scale 2 --guidance-interval 5 30",
            "has T = 20 timesteps; end it",
        ),
        (
            "NO_DROPOUT --class 3 --guidance-scale 2",
            "--label-dropout 0 and has no unconditional prediction",
        ),
        ("NO_DROPOUT", "--label-dropout 0 and cannot sample without a class; choose one"),
    ],
)
def test_bad_usage_exits_2_with_a_message(runs, tmp_path, capsys, arguments, message):
    name, *flags = arguments.split()
    assert message in refused(capsys, sample, str(runs[name]), *flags)
