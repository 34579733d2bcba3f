"""Docstrings, comments and messages of the library use the words of the field."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ddpm_core.cli.options import parse
from ddpm_core.evaluation.config import EvaluateConfig
from ddpm_core.generation.config import SampleConfig
from ddpm_core.training.autoencoder_config import AutoencoderConfig
from ddpm_core.training.diffusion_config import TrainConfig
from ddpm_core.verify import VerifyConfig
from tests.words import homemade

LIBRARY = Path(__file__).resolve().parent.parent / "ddpm_core"
COMMANDS = {
    "train": TrainConfig,
    "train_autoencoder": AutoencoderConfig,
    "sample": SampleConfig,
    "evaluate": EvaluateConfig,
    "verify": VerifyConfig,
}
MODULES = sorted(LIBRARY.rglob("*.py"))


def prose(source: str) -> Iterator[str]:
    """Yield every comment and every text with a space in it, without names of equations."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    texts = [each.string for each in tokens if each.type == tokenize.COMMENT]
    nodes = list(ast.walk(ast.parse(source)))
    joined = [each for each in nodes if isinstance(each, ast.JoinedStr)]
    parts = {part for each in joined for part in each.values}
    texts += ["".join(map(constant, each.values)) for each in joined]
    texts += [
        constant(each) for each in nodes if isinstance(each, ast.Constant) and each not in parts
    ]
    for text in texts:
        if " " in text:
            yield re.sub(r"\b[a-z-]+\.[a-z][\w-]*", "", text)  # an equation, such as guidance.guess


def constant(node: ast.expr) -> str:
    """Return the text of a node; a value in an f-string counts as a name."""
    value = node.value if isinstance(node, ast.Constant) else "`value`"
    return value if isinstance(value, str) else ""


def found(source: str) -> list[str]:
    return [each for text in prose(source) for each in homemade(text)]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(LIBRARY)))
def test_modules_use_the_words_of_the_field(path):
    assert found(path.read_text(encoding="utf-8")) == []


def help_of(kind: type, capsys: pytest.CaptureFixture[str]) -> str:
    """Return the --help of a command as running text, without the frames of its sections."""
    with pytest.raises(SystemExit):
        parse(kind, "command", ["--help"])
    return " ".join(re.sub("[\u2500-\u257f]", " ", capsys.readouterr().out).split())


@pytest.mark.parametrize("command", COMMANDS)
def test_help_uses_the_words_of_the_field(command, capsys):
    assert list(homemade(help_of(COMMANDS[command], capsys))) == []


def test_words_are_found_in_help(capsys):
    @dataclass(frozen=True)
    class Options:
        steps: int = 3
        """Sampler steps; all of them where none are given."""

    assert "where none are given" in " ".join(homemade(help_of(Options, capsys)))


@pytest.mark.parametrize(
    ("source", "word"),
    [
        ('"""Draw from the law of x."""', "law"),
        ("t = 1  # the lowest level", "level"),
        ('raise ValueError(f"{t} is no time")', "is no"),
        ('raise ValueError("t is outside; " "name another level")', "level"),
        ('raise ValueError(f"{level} of {levels} timesteps")', ""),
        ('level = "level"  # a `level`, as in Eq. ancestral.ladder', ""),
    ],
)
def test_words_are_found_in_docstrings_comments_and_messages(source, word):
    assert [each.split("'")[1] for each in found(source)] == ([word] if word else [])
