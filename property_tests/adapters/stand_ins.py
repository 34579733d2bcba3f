"""Empty modules in place of what a release imports and nothing tested here uses."""

import importlib
import sys
from types import ModuleType


def stand_in(name: str, *attributes: str) -> None:
    """Let `import name` succeed, with attributes that are None, where the module is not installed.

    torchvision, above all, does not come with every build of torch.
    """
    try:
        importlib.import_module(name)
    except ImportError:
        module = ModuleType(name)
        vars(module).update(dict.fromkeys(attributes))
        sys.modules[name] = module
