"""Empty modules for dependencies of releases that the tests do not use."""

import importlib
import sys
from types import ModuleType


def stand_in(name: str, *attributes: str) -> None:
    """Make `import name` succeed if it is not installed, with attributes that are None.

    torchvision in particular is not available for every build of torch.
    """
    try:
        importlib.import_module(name)
    except ImportError:
        module = ModuleType(name)
        vars(module).update(dict.fromkeys(attributes))
        sys.modules[name] = module
