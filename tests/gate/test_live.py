"""Code in memory that differs from the files is refused."""

import functools
import importlib
import os
import subprocess
import sys
from collections.abc import Callable
from types import ModuleType

import pytest

from ddpm_core.gate import live
from tests.gate import miniature
from tests.gate.miniature import authorized, certify, refused


def _replaced(module: ModuleType) -> None:
    module.mean = lambda x: x


def _other_code(module: ModuleType) -> None:
    module.Halver.half.__code__ = (lambda x: x).__code__


def _replaced_method(module: ModuleType) -> None:
    module.Halver.half = staticmethod(lambda x: x)


def _replaced_property(module: ModuleType) -> None:
    module.Halver.scale = property(lambda self: 1.0)


def _removed(module: ModuleType) -> None:
    del module.mean


def _wrapped(module: ModuleType) -> None:
    """A wrapper with a wrong __wrapped__."""
    module.mean = functools.wraps(module.Halver.half)(lambda x: x)


def _wrapped_again(module: ModuleType) -> None:
    """An added wrapper around the original function, as a profiler or a cache adds it."""
    module.mean = functools.wraps(module.mean)(lambda x: x)


def _wrapped_method(module: ModuleType) -> None:
    right = module.Halver.half
    module.Halver.half = staticmethod(functools.wraps(right)(lambda x: x))


def _wrapped_property(module: ModuleType) -> None:
    right = vars(module.Halver)["scale"].fget
    module.Halver.scale = property(functools.wraps(right)(lambda self: 1.0))


def _wrapped_plain(module: ModuleType) -> None:
    module.third = functools.wraps(module.third)(lambda x: x)


def _another_constant(module: ModuleType) -> None:
    module.SCALE = 0.25


def _another_slow_property(module: ModuleType) -> None:
    module.Halver.slow = functools.cached_property(lambda self: 1.0)


def _unwrapped(module: ModuleType) -> None:
    """Replace the code behind the cache."""
    module.mean.__wrapped__.__code__ = (lambda x: x).__code__


def _another_renamed_import(module: ModuleType) -> None:
    module.ONE = 2.0


def _another_import(module: ModuleType) -> None:
    module.STEP = 2.0


def _from_elsewhere(module: ModuleType) -> None:
    module.__file__ = os.__file__


def _other_defaults(module: ModuleType) -> None:
    module.third.__defaults__ = (4.0,)


def _no_defaults(module: ModuleType) -> None:
    module.third.__defaults__ = None


def _other_keyword_defaults(module: ModuleType) -> None:
    module.third.__kwdefaults__ = {"root": True}


def _another_wrapper(module: ModuleType) -> None:
    """As many wrappers as in the file, but one of them is different."""
    module.doubled = functools.wraps(module.doubled.__wrapped__)(lambda: 1.0)


def _another_wrapper_by_name(module: ModuleType) -> None:
    module.tripled = functools.wraps(module.tripled.__wrapped__)(lambda: 1.0)


def _no_keyword_defaults(module: ModuleType) -> None:
    module.third.__kwdefaults__ = None


def _an_added_name_of_the_package(module: ModuleType) -> None:
    sys.modules["mini"].extra = 1.0


def _another_public_name(module: ModuleType) -> None:
    assert sys.modules["mini"].mean is module.mean  # imported on first use
    sys.modules["mini"].mean = lambda x: x


def _another_module_of_the_package(module: ModuleType) -> None:
    sys.modules["mini"].posterior = functools


def _another_generated_method(module: ModuleType) -> None:
    right = module.Pair.__init__
    module.Pair.__init__ = lambda self, first=1.0: right(self, first / 2)


def _an_added_method(module: ModuleType) -> None:
    module.Halver.__getattribute__ = lambda self, name: 1.0


def _a_shadowed_builtin(module: ModuleType) -> None:
    module.float = lambda x: 1.0


def _another_module(module: ModuleType) -> None:
    module.math = importlib.import_module("cmath")


def _not_from_a_file(module: ModuleType) -> None:
    bare = ModuleType(module.__name__)
    vars(bare).update({name: value for name, value in vars(module).items() if name != "__file__"})
    sys.modules[module.__name__] = bare


def _from_an_exempt_file(module: ModuleType) -> None:
    module.third.__code__ = (lambda x: x).__code__
    module.__file__ = module.__file__.replace("posterior.py", "figures/report.py")


PATCHES: dict[str, tuple[Callable[[ModuleType], None], str]] = {
    "a function": (_replaced, "mini.posterior:mean in memory differs from posterior.py"),
    "its code": (_other_code, "mini.posterior:Halver.half in memory differs"),
    "behind a cache": (_unwrapped, "mini.posterior:mean in memory differs"),
    "a slow property": (_another_slow_property, "mini.posterior:Halver.slow in memory differs"),
    "a renamed import": (
        _another_renamed_import,
        "mini.posterior:ONE in memory differs from the import",
    ),
    "a method": (_replaced_method, "mini.posterior:Halver.half in memory differs"),
    "a property": (_replaced_property, "mini.posterior:Halver.scale in memory differs"),
    "removed": (_removed, "mini.posterior:mean in memory differs"),
    "wrapped": (_wrapped, "mini.posterior:mean in memory differs"),
    "wrapped again": (_wrapped_again, "mini.posterior:mean in memory differs"),
    "a wrapped method": (_wrapped_method, "mini.posterior:Halver.half in memory differs"),
    "a wrapped property": (_wrapped_property, "mini.posterior:Halver.scale in memory differs"),
    "a wrapped function": (_wrapped_plain, "mini.posterior:third in memory differs"),
    "a constant": (_another_constant, "mini.posterior:SCALE in memory differs from the 0.5 in"),
    "an import": (_another_import, "mini.posterior:STEP in memory differs from the import in pos"),
    "elsewhere": (_from_elsewhere, "mini.posterior was loaded from"),
    "defaults": (_other_defaults, "mini.posterior:third in memory differs"),
    "no defaults": (_no_defaults, "mini.posterior:third in memory differs"),
    "keyword defaults": (_other_keyword_defaults, "mini.posterior:third in memory differs"),
    "no keyword defaults": (_no_keyword_defaults, "mini.posterior:third in memory differs"),
    "wrapper by name": (_another_wrapper_by_name, "mini.posterior:tripled in memory differs"),
    "the package": (
        _an_added_name_of_the_package,
        "mini:extra is in memory but not in __init__.py",
    ),
    "a public name": (
        _another_public_name,
        "mini:mean in memory differs from the import in __init__.pyi",
    ),
    "a submodule": (_another_module_of_the_package, "mini:posterior is in memory but not in"),
    "another wrapper": (_another_wrapper, "mini.posterior:doubled in memory differs"),
    "generated": (
        _another_generated_method,
        "mini.posterior:Pair.__init__ is in memory but not in",
    ),
    "added": (_an_added_method, "mini.posterior:Halver.__getattribute__ is in memory but not in"),
    "a builtin": (_a_shadowed_builtin, "mini.posterior:float is in memory but not in posterior.py"),
    "a module": (_another_module, "mini.posterior:math in memory differs from the import in pos"),
    "no file": (_not_from_a_file, "mini.posterior was loaded from"),
    "an exempt file": (_from_an_exempt_file, "mini.posterior was loaded from"),
}


@pytest.mark.parametrize("patch", PATCHES)
def test_difference_between_memory_and_files_is_refused(project, path, patch):
    certify(project, path)
    module = miniature.load(project)
    assert live.mismatch(project) is None
    apply, expected = PATCHES[patch]
    apply(module)
    assert expected in refused(project, path)


def test_two_installations_are_refused(project, path, tmp_path):
    miniature.load(project)
    certify(project, path)
    other = tmp_path / "site-packages" / "mini"
    other.mkdir(parents=True)
    (other / "__init__.py").write_text("")
    sys.path.append(str(other.parent))
    try:
        message = refused(project, path)
    finally:
        sys.path.remove(str(other.parent))
    assert f"mini is installed twice, at {project.package} and {other}" in message


def test_modules_of_this_library_pass_and_a_replaced_function_is_reported():
    """In a new process, because the shape checks of this one wrap every function."""
    code = (
        "import ddpm_core.training.diffusion_run, ddpm_core.sample, ddpm_core.verify\n"
        "from ddpm_core.gate import live, certificate\n"
        "project = certificate.Project.own()\n"
        "assert len(certificate.digests(project)) > 80\n"
        "ddpm_core.UNet, ddpm_core.q_posterior\n"
        "print(live.mismatch(project))\n"
        "import ddpm_core.posterior\n"
        "ddpm_core.posterior.q_posterior = print\n"
        "print(live.mismatch(project))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "None",
        "ddpm_core.posterior:q_posterior in memory differs from posterior.py",
    ]


def test_exempt_modules_and_the_suite_are_not_compared(project, path):
    """A module that only draws, a folder without an __init__, and the suite inside a wheel."""
    helper = project.package / "property_tests" / "helper.py"
    helper.parent.mkdir()
    helper.write_text("LIMIT = 1")
    certify(project, path)
    miniature.load(project)
    for name in ("mini.figures.report", "mini.property_tests.helper"):
        importlib.import_module(name).LIMIT = 2
    (project.package / "figures" / "report.py").write_text("LIMIT = 3")
    helper.write_text("LIMIT = 3")
    assert authorized(project, path).state == "verified"
