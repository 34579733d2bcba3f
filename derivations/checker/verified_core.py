"""The verified core: the modules of ddpm_core that are derived, tested and mutated.

It is read from the tree, so that no module can be forgotten: every module of the mathematics
belongs to it unless it is listed below with the reason.
"""

import ast
from collections.abc import Mapping
from pathlib import Path

_BESIDE = Path(__file__).resolve().parents[2]  # the checkout, or the package in a wheel
PACKAGE = _BESIDE if (_BESIDE / "clock.py").is_file() else _BESIDE / "ddpm_core"

FOLDERS = ("", "samplers", "networks")  # every module directly inside is mathematics
WINGS: Mapping[str, str] = {  # folder: what it holds instead of mathematics
    "storage": "files of a run",
    "cli": "the command line",
    "gate": "the certificate; tests/gate mutates it",
    "data": "reading images",
    "figures": "drawing",
    "training": "running",
    "generation": "the sample command",
    "evaluation": "the evaluate command; its bounds come from likelihood and probability_flow",
    "plugin": "the pytest plugin",
    "property_tests": "the suite, which lies inside the package in a wheel",
    "derivations": "the pages, which lie inside the package in a wheel",
}
# The mathematics inside the wings.
IN_WINGS = ("data/dataset", "training/ema", "training/step", "training/timestep_sampler")

# Module: why it has neither page nor mutants.
EXCEPTIONS: Mapping[str, str] = {
    "__init__": "re-exports names",
    "samplers/__init__": "a docstring",
    "networks/__init__": "a docstring",
    "randomness": "hashes of integers; tests/test_randomness.py shows that no two addresses meet",
    "samplers/names": "a table of names and classes",
    "networks/autoencoder": "an architecture; tests/networks and property_tests/test_latent_scale",
    "networks/unet": "an architecture; property_tests/test_networks.py",
    "train": "a command",
    "train_autoencoder": "a command",
    "sample": "a command",
    "evaluate": "a command",
    "verify": "a command",
    "pytest_plugin": "options and reports of pytest",
}

# Of a module of the core: functions that calculate nothing of it, by the reason.
LEFT_OUT: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "training/step": {
        "moves data and updates weights; tests/training/test_step.py": ("train_step",)
    },
    "denoiser": {
        "fit in networks of other libraries; tests/test_denoiser.py": (
            *("NetworkDenoiser._on_its_clock", "_tensor_of"),
        )
    },
    "samplers/base": {"words an error": ("format_times",)},
    "data/dataset": {
        "splits and orders images; tests/data/test_dataset.py": (
            *(
                "load_dataset",
                "epoch_order",
                "batch_indices",
                "check_decoded",
                "with_warning",
                "split_of",
            ),
            *("Dataset.of", "Dataset.shape", "Dataset.digest"),
        ),
    },
}


def modules(package: Path = PACKAGE) -> tuple[str, ...]:
    """Return the modules of the core, such as samplers/ddim, in the order of their names."""
    found = [module for module in IN_WINGS if (package / f"{module}.py").is_file()]
    for folder in FOLDERS:
        for path in (package / folder).glob("*.py"):
            module = f"{folder}/{path.stem}".removeprefix("/")
            if module not in EXCEPTIONS:
                found.append(module)
    return tuple(sorted(found))


def unlisted(package: Path = PACKAGE) -> list[str]:
    """Return a sentence for each folder that no list names and each entry that names no file."""
    here = "derivations/checker/verified_core.py"
    known = {*FOLDERS, *WINGS}
    folders = {path.parent.relative_to(package).parts for path in package.rglob("*.py")}
    found = [
        f"ddpm_core/{name}/ is new: list it under FOLDERS or WINGS in {here}"
        for name in sorted({parts[0] for parts in folders if parts} - known)
    ]
    for module in (*EXCEPTIONS, *IN_WINGS, *LEFT_OUT):
        if not (package / f"{module}.py").is_file():
            found.append(f"{here} lists {module}, but ddpm_core/{module}.py does not exist")
        elif left_out(module) - functions(package, module).keys():
            gone = ", ".join(sorted(left_out(module) - functions(package, module).keys()))
            found.append(f"{here} lists {gone} of {module}, which defines no such function")
    return found


def left_out(module: str) -> set[str]:
    """Return the qualified names of the functions that are no part of the core."""
    return {name for names in LEFT_OUT.get(module, {}).values() for name in names}


def functions(package: Path, module: str) -> dict[str, ast.FunctionDef]:
    """Return the module's functions and methods by qualified name, without local functions."""
    found = {}

    def visit(body: list[ast.stmt], prefix: str) -> None:
        for node in body:
            if isinstance(node, ast.FunctionDef):
                found[prefix + node.name] = node
            elif isinstance(node, ast.ClassDef):
                visit(node.body, f"{prefix}{node.name}.")

    visit(ast.parse((package / f"{module}.py").read_text(encoding="utf-8")).body, "")
    return found


def without_page(code: set[str], package: Path = PACKAGE) -> list[str]:
    """Return a sentence for each module that no equation names; `code` is that of all Code rows."""
    named = {reference.partition(":")[0] for reference in code}
    return [
        f"ddpm_core/{module}.py has no page: no equation names a function of it under Code. "
        f"Derive it in derivations/{Path(module).stem.strip('_')}.md, or list it with the reason "
        "under EXCEPTIONS in derivations/checker/verified_core.py"
        for module in modules(package)
        if f"ddpm_core.{module.replace('/', '.')}" not in named
    ]
