"""Detection of identities: formulas that hold for any values of their symbols."""

import random
from collections.abc import Mapping
from typing import Any

from . import syntax as s
from .numeric import RandomInstance
from .quadrature import mpf
from .random_instances import check

DRAWS = 24  # an inequality of two free numbers holds in all draws with probability 2^-24


class FreeValues(RandomInstance):
    """A random instance with an independent number for every symbol, density and integral."""

    def symbol(self, node: s.Symbol) -> Any:
        if node.name in self.integers and not node.index:
            return mpf(self.integers[node.name])
        return self._number_of(node)

    def moment(self, node: s.Moment) -> Any:
        return self._number_of(node)

    def derivative(self, node: s.Derivative) -> Any:
        return self._number_of(node)

    def integral(self, node: s.Integral) -> Any:
        return self._number_of(node)

    def divergence(self, left: Any, right: Any) -> Any:
        return self._number_of((left, right))

    def _number_of(self, node: Any) -> Any:
        """Return a number in (0, 1] that depends only on the seed and the formula."""
        return mpf(random.Random(f"{self.seed} {node!r}").randint(1, 10**15)) / 10**15


def is_identity(relation: s.Relation, declared: Mapping[str, str]) -> bool:
    """Return whether the relation holds for arbitrary values of its symbols."""
    integers = {name: 3 for name, kind in declared.items() if kind == "integer"} | {"s": 1, "T": 5}
    for draw in range(DRAWS):
        try:
            check(relation, FreeValues(str(draw), integers, (), (), declared))
        except Exception:  # false, or undefined for such values
            return False
    return True
