"""Empty modules for dependencies of releases that the tests do not use."""

import importlib
import sys
from types import ModuleType
from unittest.mock import MagicMock


def stand_in(name: str, *attributes: str) -> None:
    """Make `import name` succeed if it is not installed, with attributes that do nothing.

    torchvision in particular is not available for every build of torch.
    """
    try:
        importlib.import_module(name)
    except ImportError:
        replace(name, *attributes)


def replace(name: str, *attributes: str) -> None:
    """Make `import name` return such a module, also if it is installed."""
    module = ModuleType(name)
    vars(module).update({each: MagicMock(name=each) for each in attributes})
    sys.modules[name] = module
