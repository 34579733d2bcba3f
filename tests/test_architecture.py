"""Architecture of the library: a total import order, short files, no catch-all modules."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from pathlib import Path

import pytest

from property_tests.mutation.targets import properties_by_module

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "ddpm_core"
LIMIT = 300  # lines of a file

# A module imports only from modules and wings that precede it here.
ORDER = """
clock _types randomness schedules forward_process posterior parameterization losses
learned_variance guidance samplers networks denoiser gaussian_path latent likelihood
probability_flow storage cli gate data figures training generation evaluation plugin
verify train train_autoencoder sample evaluate pytest_plugin
""".split()  # noqa: SIM905 - a list would hide that the order is read line by line
ALONE = ("networks",)  # imports nothing from the rest of the library
OUTSIDE = ("tests", "property_tests", "derivations", "benchmarks")
CATCH_ALLS = ("utils", "core", "helpers", "common", "types")


def sources(*folders: str) -> dict[str, str]:
    """Return {dotted module name: source} of every Python file in these folders."""
    found = {}
    for path in sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        found[name] = path.read_text(encoding="utf-8")
    return found


def imports(module: str, source: str, modules: set[str]) -> Iterator[tuple[int, str]]:
    """Yield (line, dotted name) of every import in the source, at any depth of nesting."""
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
                full_name = f"{base}.{alias.name}"
                yield node.lineno, full_name if full_name in modules or base == PACKAGE else base


def layer(module: str) -> str:
    """Return the name in ORDER that a module of the library belongs to."""
    return module.split(".")[1]


def violations(files: dict[str, str]) -> list[str]:
    """Return one sentence per violated rule; `files` maps module names to sources."""
    found = []
    inside: dict[str, set[str]] = {}
    for module, source in files.items():
        if module == PACKAGE:
            continue  # it re-exports: see test_importing_the_package_does_not_import_torch
        if layer(module) not in ORDER:
            found.append(f"{module} is missing from ORDER")
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
                found.append(f"{where}{layer(module)} imports nothing from the library")
            elif ORDER.index(rest[0]) > ORDER.index(layer(module)):
                found.append(f"{where}{rest[0]} comes after {layer(module)}")
    try:
        TopologicalSorter(inside).prepare()
    except CycleError as cycle:
        found.append(f"a cycle: {' -> '.join(cycle.args[1])}")
    return found


LIBRARY = sources(PACKAGE)


def test_library_contains_no_assert():
    """pytest rewrites asserts of an installed package, so that the code differs from the file."""
    asserts = [
        module for module, source in LIBRARY.items() if re.search(r"^ *assert ", source, re.M)
    ]
    assert asserts == []


def test_modules_import_only_what_precedes_them():
    assert len(LIBRARY) > 10, "the library was not found"
    assert violations(LIBRARY) == []


@pytest.mark.parametrize(
    ("module", "source", "says"),
    [
        ("posterior", "from ddpm_core.losses import l_simple", "losses comes after posterior"),
        ("posterior", "import ddpm_core.samplers.base as b", "samplers comes after posterior"),
        ("posterior", "from ddpm_core import losses", "losses comes after posterior"),
        ("posterior", "def f():\n    from .losses import l_simple", "line 2: losses comes after"),
        ("posterior", "from ddpm_core import l_simple", "from the module that holds it"),
        ("posterior", "import ddpm_core", "from the module that holds it"),
        ("posterior", "from tests.conftest import unchecked", "does not import tests"),
        ("posterior", "import property_tests.oracles", "does not import property_tests"),
        ("samplers.ddim", "from ..train import main", "train comes after samplers"),
        ("networks.unet", "from ddpm_core.clock import Time", "networks imports nothing from"),
        ("networks.unet", "from ..clock import Time", "networks imports nothing from"),
        ("helpers", "", "ddpm_core.helpers is missing from ORDER"),
    ],
)
def test_import_order_violations_are_reported(module, source, says):
    """Negative control: each case adds one file to a library without imports."""
    files = {**dict.fromkeys(LIBRARY, ""), f"{PACKAGE}.{module}": source}
    (sentence,) = violations(files)
    assert says in sentence


def test_import_cycles_within_a_package_are_reported():
    files = {
        "ddpm_core.samplers": "",
        "ddpm_core.samplers.base": "from ddpm_core.samplers import timestep_spacing",
        "ddpm_core.samplers.timestep_spacing": "from .base import Sampler",
    }
    (sentence,) = violations(files)
    assert sentence.startswith("a cycle: ddpm_core.samplers.")


def test_valid_imports_are_accepted():
    allowed = {
        "ddpm_core.samplers.base": "from ddpm_core.clock import Time\nimport torch",
        "ddpm_core.samplers.ddim": "from .base import Sampler\nfrom ..posterior import q_posterior",
        "ddpm_core.networks.unet": "from torch import nn",
        "ddpm_core.networks.autoencoder": "from ddpm_core.networks.unet import zero_init",
        "ddpm_core.train": "from ddpm_core import __version__\nfrom ddpm_core import training",
    }
    assert violations(allowed) == []


FILES = sources(PACKAGE, "tests", "property_tests")


@pytest.mark.parametrize("name", FILES)
def test_files_are_short_well_named_and_keep_annotations_evaluated(name):
    """jaxtyping does not see annotations that are strings, so no file postpones them."""
    source = FILES[name]
    assert len(source.splitlines()) < LIMIT
    assert name.split(".")[-1] not in CATCH_ALLS
    futures = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)]
    assert "__future__" not in [node.module for node in futures]


def test_only_the_adapter_imports_the_library_and_oracles_do_not_import_torch():
    for name, source in sources("property_tests").items():
        tops = {what.split(".")[0] for _, what in imports(name, source, set(FILES))}
        if not name.startswith("property_tests.adapters.ddpm_core"):
            assert PACKAGE not in tops, f"{name} imports {PACKAGE}"
        if name.startswith("property_tests.oracles"):
            assert "torch" not in tops, f"{name} imports torch"


def untested(package: Path, tests: Path, suite: Path) -> list[str]:
    """Return one sentence for each module without a test file of its stem.

    A module of the verified core may have its tests in the property suite instead.
    """
    core = {name for name, tested in properties_by_module(package, suite).items() if tested}
    found = []
    for path in sorted(package.rglob("*.py")):
        place = path.relative_to(package)
        name = ".".join(place.with_suffix("").parts)
        file = place.with_name(f"test_{place.stem.lstrip('_')}.py")
        if place.stem != "__init__" and name not in core and not (tests / file).is_file():
            found.append(f"{package.name}/{place} has no tests: write tests/{file}")
    return found


def test_every_module_has_a_test_file_of_its_stem():
    assert untested(ROOT / PACKAGE, ROOT / "tests", ROOT / "property_tests") == []


@pytest.mark.parametrize("module", ["verify.py", "data/lmdb.py", "samplers/euler.py"])
def test_modules_without_a_test_file_are_reported(module, tmp_path):
    """Negative control: a library of one module, whose tests come second."""
    package, tests, suite = (tmp_path / name for name in (PACKAGE, "tests", "property_tests"))
    test = tests / Path(module).with_name(f"test_{Path(module).name}")
    for path, missing in ((package / module, f"write {test.relative_to(tmp_path)}"), (test, "")):
        path.parent.mkdir(parents=True)
        path.touch()
        assert "".join(untested(package, tests, suite)).endswith(missing)
    assert untested(package, tests, suite) == []


TESTS = sources("tests", "property_tests")


def imports_from_tests(files: dict[str, str]) -> list[str]:
    """One sentence for each import from a test module: helpers belong in a module of their own."""
    return [
        f"{module}, line {line}: {name} is a test module; move what is shared into a helper module"
        for module, source in files.items()
        for line, name in imports(module, source, set(files))
        if any(part.startswith("test_") for part in name.split("."))
    ]


def import_cycle(files: dict[str, str]) -> list[str]:
    """The modules of one import cycle, or nothing; imports inside functions count as well."""
    inside = {
        module: {name for _, name in imports(module, source, set(files)) if name in files}
        for module, source in files.items()
    }
    try:
        TopologicalSorter(inside).prepare()
    except CycleError as cycle:
        return list(cycle.args[1])
    return []


def test_no_helper_is_imported_from_a_test_module():
    assert imports_from_tests(TESTS) == []


@pytest.mark.parametrize(
    "source",
    [
        "from .test_posterior import walk",
        "from property_tests.test_posterior import walk",
        "import property_tests.test_posterior as posterior",
        "from . import test_posterior",
        "def late():\n    from .test_posterior import walk",
    ],
)
def test_an_import_from_a_test_module_is_reported(source):
    injected = {
        "property_tests": "",
        "property_tests.test_posterior": "def walk(): pass",
        "property_tests.test_other": source,
    }
    (sentence,) = imports_from_tests(injected)
    assert sentence.startswith("property_tests.test_other, line ")
    assert "property_tests.test_posterior is a test module" in sentence


def test_the_property_suite_has_no_import_cycle():
    assert import_cycle(sources("property_tests")) == []


def test_an_import_cycle_is_reported():
    """Also one that is closed inside a function, as that of known_bugs and meta once was."""
    injected = {
        "property_tests.known_bugs": "",
        "property_tests.known_bugs.readme": "def main():\n    from ..meta.attacks import attack",
        "property_tests.meta": "",
        "property_tests.meta.attacks": "from ..known_bugs.readme import PAGE",
    }
    found = import_cycle(injected)
    assert set(found) == {"property_tests.known_bugs.readme", "property_tests.meta.attacks"}
    del injected["property_tests.meta.attacks"]
    assert import_cycle(injected) == []


def test_importing_the_package_does_not_import_torch():
    """A command's --help must be quick, so `import ddpm_core` must not load torch."""
    program = "import sys, ddpm_core; dir(ddpm_core); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


def test_type_stub_matches_the_public_names():
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
