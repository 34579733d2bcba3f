"""Pages in docs/: links, wording, commands, options and Python examples."""

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
from tests.words import homemade

DOCS = Path(__file__).parent.parent / "docs"
KINDS = {
    "ddpm_core.train": TrainConfig,
    "ddpm_core.train_autoencoder": AutoencoderConfig,
    "ddpm_core.sample": SampleConfig,
    "ddpm_core.evaluate": EvaluateConfig,
}
ROOT = DOCS.parent
PAGES = sorted(
    [
        *(*ROOT.glob("*.md"), *DOCS.glob("*.md")),
        *(ROOT / folder / "README.md" for folder in ("benchmarks", "derivations")),
    ],
    key=lambda path: path.relative_to(ROOT).as_posix(),
)
GENERATED = ("conformance",)  # of texts that the adapters hold
OPTIONS = {"evaluation": EvaluateConfig, "latent": AutoencoderConfig}  # pages with a table of them


def found(page: str, pattern: str) -> list[str]:
    return re.findall(pattern, (DOCS / f"{page}.md").read_text(), re.M | re.S)


def without_code(text: str) -> str:
    """Blank out fenced blocks, and keep the number of lines."""
    return re.sub(
        r"^```.*?^```", lambda block: "\n" * block[0].count("\n"), text, flags=re.S | re.M
    )


def too_wide(text: str) -> list[str]:
    """Return the lines of prose of more than 100 columns; tables and images cannot wrap."""
    prose = without_code(text).splitlines()
    return [each for each in prose if len(each) > 100 and not each.startswith(("|", "!["))]


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", without_code(text), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def broken_links(page: Path, text: str) -> list[str]:
    """Return the relative links of a page whose file or heading does not exist."""
    targets = re.findall(r"\]\((?!https?:)([^)]+)\)", without_code(text))
    return [each for each in targets if not resolves(page, text, each)]


def resolves(page: Path, text: str, target: str) -> bool:
    file, _, anchor = target.partition("#")
    there = page.parent / file if file else page
    if not there.exists() or not anchor:
        return there.exists()
    return anchor in anchors(there.read_text() if file else text)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_prose_wraps_and_links_resolve(page):
    text = page.read_text()
    assert too_wide(text) == []
    assert broken_links(page, text) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_pages_use_the_words_of_the_field(page):
    if page.stem not in ("writing", *GENERATED):  # the page on writing lists the others
        text = re.sub(r"\[[a-z-]+\.[a-z][\w-]*\]", "[]", without_code(page.read_text()))
        assert list(homemade(text)) == []  # without names of equations, such as guidance.guess


def test_broken_links_and_long_lines_are_reported():
    page = DOCS / "gate.md"
    good = "See [running](running.md#devices) and [above](#a).\n\n# A\n"
    assert broken_links(page, good) == []
    assert broken_links(page, "[a](gone.md) [b](running.md#gone) [c](#gone)") == [
        "gone.md",
        "running.md#gone",
        "#gone",
    ]
    assert too_wide(f"{'x' * 100}\n| {'x' * 100} |\n```\n{'x' * 101}\n```\n") == []
    assert too_wide("x" * 101) == ["x" * 101]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("Share of the classes that it\nwithholds.", "withholds"),
        ("told which of 10 classes", "told"),
        ("followed through so many levels", "levels"),
        ("the Guess without a label", "Guess"),
        ("A fault was planted.", "planted"),
        ("It is\nno folder.", "is no"),
        ("17 grey\nlevels, a significance level, `levels`, there is\nno guest, lawn", ""),
    ],
)
def test_words_of_the_list_are_reported(text, word):
    assert [each.split("'")[1] for each in homemade(text)] == ([word] if word else [])


@pytest.mark.parametrize("page", ["evaluation", "latent", "running", "sampling"])
def test_commands_are_valid(page):
    commands = [shlex.split(each) for each in found(page, r"^python ([^\n]*)$")]
    assert commands
    for first, module, *arguments in commands:
        if first == "-m":
            parse(KINDS[module], module, arguments)
        else:
            assert (DOCS.parent / first).is_file()


@pytest.mark.parametrize("page", OPTIONS)
def test_options_in_tables_exist(page):
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
def test_python_examples_run(page, name, flags, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if name:
        tiny = "--max-steps 1 --width 8 --multipliers 1 --T 20 --schedule cosine --batch-size 8"
        tiny += f" --preview-steps 2 --out-dir runs/{name} {flags}"
        assert train(tiny.split()) == 0
    names: dict[str, object] = {}
    for block in found(page, r"^```python\n(.*?)^```"):
        exec(block, names)
    if page == "latent":
        assert names["latents"].shape == (64, 4, 8, 8)
        assert names["back"].shape == (64, 3, 32, 32)
    elif page == "evaluation":
        assert names["bits"].shape == (8,)
        assert (names["bits"] > 0).all()
    else:
        assert names["t"] == 0
        assert names["x"].shape == (4, 1, 8, 8)
