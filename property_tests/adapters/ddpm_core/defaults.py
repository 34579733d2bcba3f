"""Part of our adapter: the defaults of every public function and class of the verified core."""

import importlib
import inspect
from collections.abc import Iterator
from types import FunctionType, ModuleType
from typing import Any

_HOME = __package__.rpartition("property_tests")[0]  # "" or, in a wheel, "ddpm_core."
_core = importlib.import_module(f"{_HOME}derivations.checker.verified_core")
BESIDE = ("randomness", "networks/unet", "networks/autoencoder")  # public, without mutants


class Defaults:
    """The method of `protocol.Implementation` on defaults."""

    def defaults(self) -> dict[str, dict[str, Any]]:
        names = sorted([*_core.modules(_core.PACKAGE), *BESIDE])
        modules = [importlib.import_module(f"ddpm_core.{each}".replace("/", ".")) for each in names]
        found = {name: _defaults(call) for module in modules for name, call in _calls(module)}
        return {name: values for name, values in found.items() if values}


def _calls(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """Yield (qualified name, function) of the module, its constructors and its methods."""
    for name, each in vars(module).items():
        if name.startswith("_") or getattr(each, "__module__", None) != module.__name__:
            continue
        if isinstance(each, FunctionType):
            yield name, each
        elif isinstance(each, type):
            if getattr(each, "_is_protocol", False):
                continue
            yield name, each
            for method, function in vars(each).items():
                function = getattr(function, "__func__", function)
                if isinstance(function, FunctionType) and method[:1] != "_":
                    yield f"{name}.{method}", function


def _defaults(call: Any) -> dict[str, Any]:
    parameters = inspect.signature(call).parameters.values()
    return {each.name: each.default for each in parameters if each.default is not each.empty}
