"""The shape of the library: one total order of modules, small files, no junk drawers."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "ddpm_core"
LIMIT = 300  # lines: a file that one reads in one sitting

# A module imports only what stands before it. Names that do not exist yet keep their place.
ORDER = """
clock _types randomness schedules forward_process posterior parameterization losses
learned_variance guidance samplers networks denoiser latent likelihood probability_flow
storage cli gate data figures training generation evaluation
verify train train_autoencoder sample evaluate pytest_plugin
""".split()  # noqa: SIM905 - an order that reads as one
ALONE = ("networks",)  # imports nothing of the library at all
OUTSIDE = ("tests", "property_tests", "derivations", "benchmarks")
JUNK_DRAWERS = ("utils", "core", "helpers", "common", "types")


def sources(*folders: str) -> dict[str, str]:
    """{dotted module name: source} of every Python file under the folders of the repository."""
    found = {}
    for path in sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        found[name] = path.read_text(encoding="utf-8")
    return found


def imports(module: str, source: str, modules: set[str]) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of everything that the source imports, at any depth of nesting."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:  # the package that the dots stand for; an __init__ is its own package
                is_package = any(other.startswith(f"{module}.") for other in modules)
                above = module.split(".")[: len(module.split(".")) - node.level + is_package]
                base = ".".join([*above, *([base] if base else [])])
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                yield node.lineno, whole if whole in modules or base == PACKAGE else base


def layer(module: str) -> str:
    """The name in ORDER that a module of the library belongs to."""
    return module.split(".")[1]


def violations(files: dict[str, str]) -> list[str]:
    """What breaks the rules, one sentence each; `files` maps module names to sources."""
    found = []
    inside: dict[str, set[str]] = {}
    for module, source in files.items():
        if module == PACKAGE:
            continue  # it re-exports: see test_the_package_imports_nothing_until_asked
        if layer(module) not in ORDER:
            found.append(f"{module} has no place in ORDER")
            continue
        for line, name in imports(module, source, set(files)):
            where = f"{module}, line {line}: "
            top, *rest = name.split(".")
            if top in OUTSIDE:
                found.append(f"{where}the library does not import {top}")
            if top != PACKAGE or rest == ["__version__"]:
                continue
            if not rest or rest[0] not in ORDER:
                found.append(f"{where}import {name} from the module that holds it")
            elif rest[0] == layer(module):
                inside.setdefault(module, set()).add(name)
            elif layer(module) in ALONE:
                found.append(f"{where}{layer(module)} imports nothing of the library")
            elif ORDER.index(rest[0]) > ORDER.index(layer(module)):
                found.append(f"{where}{rest[0]} stands after {layer(module)}")
    try:
        TopologicalSorter(inside).prepare()
    except CycleError as cycle:
        found.append(f"a cycle: {' -> '.join(cycle.args[1])}")
    return found


LIBRARY = sources(PACKAGE)


def test_the_library_asserts_nothing():
    """pytest rewrites an assert of an installed package, which then is not what the file says."""
    asserts = [
        module for module, source in LIBRARY.items() if re.search(r"^ *assert ", source, re.M)
    ]
    assert asserts == []


def test_a_module_imports_only_what_stands_before_it():
    assert len(LIBRARY) > 10, "the library was not found"
    assert violations(LIBRARY) == []


@pytest.mark.parametrize(
    ("module", "source", "says"),
    [
        ("posterior", "from ddpm_core.losses import l_simple", "losses stands after posterior"),
        ("posterior", "import ddpm_core.samplers.base as b", "samplers stands after posterior"),
        ("posterior", "from ddpm_core import losses", "losses stands after posterior"),
        ("posterior", "def f():\n    from .losses import l_simple", "line 2: losses stands after"),
        ("posterior", "from ddpm_core import l_simple", "from the module that holds it"),
        ("posterior", "import ddpm_core", "from the module that holds it"),
        ("posterior", "from tests.conftest import unchecked", "does not import tests"),
        ("posterior", "import property_tests.oracles", "does not import property_tests"),
        ("samplers.ddim", "from ..train import main", "train stands after samplers"),
        ("networks.unet", "from ddpm_core.clock import Time", "networks imports nothing of the"),
        ("networks.unet", "from ..clock import Time", "networks imports nothing of the"),
        ("helpers", "", "ddpm_core.helpers has no place in ORDER"),
    ],
)
def test_the_checker_sees_what_breaks_the_order(module, source, says):
    """Its red cases: each is one file planted among the library's, which import nothing here."""
    planted = {**dict.fromkeys(LIBRARY, ""), f"{PACKAGE}.{module}": source}
    (sentence,) = violations(planted)
    assert says in sentence


def test_the_checker_sees_a_cycle_within_a_package():
    planted = {
        "ddpm_core.samplers": "",
        "ddpm_core.samplers.base": "from ddpm_core.samplers import timestep_spacing",
        "ddpm_core.samplers.timestep_spacing": "from .base import Sampler",
    }
    (sentence,) = violations(planted)
    assert sentence.startswith("a cycle: ddpm_core.samplers.")


def test_the_checker_lets_pass_what_keeps_the_order():
    allowed = {
        "ddpm_core.samplers.base": "from ddpm_core.clock import Time\nimport torch",
        "ddpm_core.samplers.ddim": "from .base import Sampler\nfrom ..posterior import q_posterior",
        "ddpm_core.networks.blocks": "from torch import nn",
        "ddpm_core.networks.unet": "from ddpm_core.networks.blocks import block",
        "ddpm_core.train": "from ddpm_core import __version__\nfrom ddpm_core import training",
    }
    assert violations(allowed) == []


FILES = sources(PACKAGE, "tests", "property_tests")


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_short_named_for_its_topic_and_evaluates_its_annotations(name):
    """Annotations that stay strings are invisible to jaxtyping, so no file postpones them."""
    source = FILES[name]
    assert len(source.splitlines()) < LIMIT
    assert name.split(".")[-1] not in JUNK_DRAWERS
    futures = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)]
    assert "__future__" not in [node.module for node in futures]


def test_only_the_adapter_knows_the_library_and_oracles_know_no_torch():
    for name, source in sources("property_tests").items():
        tops = {what.split(".")[0] for _, what in imports(name, source, set(FILES))}
        if not name.startswith("property_tests.adapters.ddpm_core"):
            assert PACKAGE not in tops, f"{name} imports {PACKAGE}"
        if name.startswith("property_tests.oracles"):
            assert "torch" not in tops, f"{name} imports torch"


def test_the_package_imports_nothing_until_asked():
    """`import ddpm_core` leaves torch alone, so that a command's --help is quick."""
    program = "import sys, ddpm_core; dir(ddpm_core); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


def test_what_the_type_checker_sees_is_what_the_package_offers():
    import ddpm_core

    stub = ast.parse((ROOT / PACKAGE / "__init__.pyi").read_text(encoding="utf-8"))
    homes = {}
    for node in stub.body:
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                assert alias.asname == alias.name, "a type checker hides a name without `as`"
                homes[alias.name] = import_module(f"{PACKAGE}.{node.module}")
    assert set(ddpm_core.__all__) == set(dir(ddpm_core)) == homes.keys()
    assert all(getattr(ddpm_core, name) is vars(home)[name] for name, home in homes.items())
    declared = {ast.unparse(node) for node in stub.body if isinstance(node, ast.AnnAssign)}
    assert declared == {"__version__: str"}
    with pytest.raises(AttributeError, match="No ddpm_core attribute nothing"):
        ddpm_core.nothing  # noqa: B018
