"""A call of every method of the protocol, shared by the properties of all methods.

Each covers the options of its method, so that no line of an implementation is left out.
"""

from .call import Call
from .inputs import Inputs, inputs
from .table import CALLS

__all__ = ["CALLS", "Call", "Inputs", "inputs"]
