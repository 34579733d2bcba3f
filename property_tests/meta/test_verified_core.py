"""Every module of the mathematics has a page, a property, mutants and citations."""

import importlib
import shutil
from pathlib import Path

import pytest

from ..mutation import targets
from ..protocol import SAMPLERS_OF
from . import pages

_HOME = __package__.rpartition("property_tests")[0]  # "" or, in a wheel, "ddpm_core."
core = importlib.import_module(f"{_HOME}derivations.checker.verified_core")
links = importlib.import_module(f"{_HOME}derivations.checker.links")
BESIDE_SAMPLERS = ("base", "timestep_spacing")  # no samplers: the loop, and the timesteps

EULER = '''"""Euler's method."""


def euler_step(x_t, slope, s, t):
    """Follow the slope from t to s."""
    return x_t + (s - t) * slope
'''


def violations(package: Path) -> list[str]:
    """Everything that a module of the verified core lacks, one sentence each."""
    code = {each for equation in pages.equations().values() for each in equation.code}
    return [
        *core.unlisted(package),
        *core.without_page(code, package),
        *targets.unverified(package),
        *links.uncited_functions(package),
        *without_name(package),
    ]


def without_name(package: Path) -> list[str]:
    """A sentence for each sampler that no property runs, and for each name without a sampler."""
    modules = core.modules(package)
    found = {each.partition("/")[2] for each in modules if each.startswith("samplers/")}
    place = "SAMPLERS_OF in property_tests/protocol/nouns.py"
    return [
        *(
            f"ddpm_core/samplers/{each}.py has no name in {place}: no property samples by it"
            for each in sorted(found - {*SAMPLERS_OF, *BESIDE_SAMPLERS})
        ),
        *(f"{place} names {each}: no such sampler" for each in sorted({*SAMPLERS_OF} - found)),
    ]


def test_every_module_of_the_mathematics_is_verified():
    assert violations(core.PACKAGE) == []


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the library's sources."""
    copy = tmp_path / "ddpm_core"
    shutil.copytree(core.PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def test_a_sampler_without_page_property_and_mutants_is_named(package: Path):
    """Each of its five gaps is a sentence of its own; a name listed for it alone closes none."""
    (package / "samplers/euler.py").write_text(EULER)
    found = violations(package)
    assert len(found) == 4
    page, tested, cited, named = found
    assert page.startswith("ddpm_core/samplers/euler.py has no page: no equation names a function")
    assert tested.startswith(
        "ddpm_core/samplers/euler.py has no property: write property_tests/test_euler.py"
    )
    assert cited.startswith("ddpm_core/samplers/euler.py:4: euler_step cites no equation")
    assert named.startswith("ddpm_core/samplers/euler.py has no name in SAMPLERS_OF")


@pytest.mark.parametrize("module", ["drift", "samplers/drift", "networks/drift"])
def test_a_module_without_mutants_is_named(package: Path, module: str):
    (package / f"{module}.py").write_text('"""Nothing is calculated here."""\n')
    sentences = [each for each in violations(package) if "mutants" in each]
    assert len(sentences) == 1
    assert sentences[0].startswith(f"ddpm_core/{module}.py has no mutants: nothing shows that")


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("posterior", "q_bridge"),
        ("data/dataset", "mirrored"),
        ("samplers/base", "reverse_loop"),
        ("_types", "Gaussian.entropy"),
    ],
)
def test_a_public_function_without_a_citation_is_named(package: Path, module: str, name: str):
    """Also beside functions that are left out, and as a method."""
    path, (owner, _, method) = package / f"{module}.py", name.rpartition(".")
    source = path.read_text(encoding="utf-8")
    new = f'    def {method}(self):\n        """Cites nothing."""\n        return self\n\n'
    if owner:
        source = source.replace("    def sample(", f"{new}    def sample(", 1)
    else:
        source += "\n\n" + new.replace("    ", "", 1).replace("\n    ", "\n")
    path.write_text(source, encoding="utf-8")
    (sentence,) = violations(package)
    assert sentence.startswith(f"ddpm_core/{module}.py:")
    assert f": {name} cites no equation" in sentence


def test_a_new_folder_is_named(package: Path):
    (package / "solvers").mkdir()
    (package / "solvers/euler.py").write_text(EULER)
    (sentence,) = violations(package)
    assert sentence.startswith("ddpm_core/solvers/ is new: list it under FOLDERS or WINGS")


@pytest.mark.parametrize("module", ["samplers/names", "training/ema", "samplers/heun"])
def test_an_entry_for_a_module_that_is_gone_is_named(package: Path, module: str):
    (package / f"{module}.py").unlink()
    assert any(Path(module).stem in sentence for sentence in violations(package))


def test_what_is_left_out_is_not_mutated():
    """Only there: the same function without its entry has mutants."""
    source = "class Dataset:\n    def digest(self, n):\n        return n + 1\n"
    assert targets.mutants_of("data.dataset", source) == []
    assert targets.mutants_of("data.dataset", source.replace("digest", "take")) != []
    assert targets.mutants_of("posterior", source) != []
