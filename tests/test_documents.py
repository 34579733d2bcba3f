"""What the pages in docs/ tell a user to type is understood, and what they show in Python runs."""

import re
import shlex
from pathlib import Path

import pytest

from ddpm_core.cli.options import parse
from ddpm_core.evaluation.config import EvaluateConfig
from ddpm_core.generation.config import SampleConfig
from ddpm_core.train import main as train
from ddpm_core.training.autoencoder_config import AutoencoderConfig
from ddpm_core.training.diffusion_config import TrainConfig

DOCS = Path(__file__).parent.parent / "docs"
KINDS = {
    "ddpm_core.train": TrainConfig,
    "ddpm_core.train_autoencoder": AutoencoderConfig,
    "ddpm_core.sample": SampleConfig,
    "ddpm_core.evaluate": EvaluateConfig,
}
OPTIONS = {"evaluation": EvaluateConfig, "latent": AutoencoderConfig}  # pages with a table of them


def found(page: str, pattern: str) -> list[str]:
    return re.findall(pattern, (DOCS / f"{page}.md").read_text(), re.M | re.S)


@pytest.mark.parametrize("page", ["evaluation", "latent", "sampling"])
def test_commands_are_understood(page):
    asked = [shlex.split(each) for each in found(page, r"^python ([^\n]*)$")]
    assert asked
    for first, module, *arguments in asked:
        if first == "-m":
            parse(KINDS[module], module, arguments)
        else:
            assert (DOCS.parent / first).is_file()


@pytest.mark.parametrize("page", OPTIONS)
def test_a_table_of_options_has_options(page):
    (table,) = found(page, r"^\| Option \| \|\n(.*?)\n\n")
    rows = re.findall(r"^\| `(--[^`]*)`", table, re.M)
    assert len(rows) > 4
    run = ["RUN"] if page == "evaluation" else []
    for row in rows:
        parse(OPTIONS[page], page, [*run, *row.split()])


@pytest.mark.parametrize(
    ("page", "name", "flags"),
    [("evaluation", "digits", ""), ("latent", None, ""), ("sampling", "classes", "--conditional")],
)
def test_what_is_shown_in_python_runs(page, name, flags, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if name:
        tiny = "--max-steps 1 --width 8 --multipliers 1 --T 20 --schedule cosine --batch-size 8"
        tiny += f" --preview-steps 2 --out-dir runs/{name} {flags}"
        assert train(tiny.split()) == 0
    (block,) = found(page, r"^```python\n(.*?)^```")
    names: dict[str, object] = {}
    exec(block, names)
    if page == "latent":
        assert names["latents"].shape == (64, 4, 8, 8)
        assert names["back"].shape == (64, 3, 32, 32)
    elif page == "evaluation":
        assert names["bits"].shape == (8,)
        assert (names["bits"] > 0).all()
    else:
        assert names["t"] == 0
