"""Methods of the protocol that return exact numbers and the roundings allowed in each.

They have the names and arguments of `protocol.Implementation`, and call the oracles. An allowance
is that of the property of the same equation.
"""

from collections.abc import Callable

from ...protocol import Implementation
from . import losses, process, samplers, tables, values
from .elements import Answers

ANSWERS: dict[str, Callable[..., Answers]] = {
    name: function
    for module in (tables, process, losses, samplers, values)
    for name, function in vars(module).items()
    if hasattr(Implementation, name)
    if getattr(function, "__module__", "") == module.__name__
}
