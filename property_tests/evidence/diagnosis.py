"""Diagnosis of a failed check: known bugs with the same outputs, and the parts that differ."""

from typing import Any, NamedTuple

import numpy as np

from ..oracles.table import FLOAT32
from ..protocol import Array
from ..protocol.nouns import DIGITS
from ..protocol.shapes import fields_of
from .evidence import Evidence

NEAR = 1e-2  # of the distance to the exact output: a hint for the reader, not a verdict
HALF = FLOAT32**0.5  # half of the digits of float32
ROUNDING = (
    "no wrong formula: with the rounding errors of a table of alpha_bar_t in float32 allowed, the "
    "check passes. 1 - alpha_bar from a running product loses digits at small t; -expm1 of a "
    "running sum of log1p(-beta) does not"
)


class Diagnosis(NamedTuple):
    """Sections of the report of one failure, and the cause by which failures are grouped."""

    sections: list[tuple[str, str]]
    cause: str


class Part(NamedTuple):
    """One part of an output, such as the variance of q_posterior, and the exact one."""

    name: str
    got: Array
    exact: Array

    @property
    def wrong(self) -> Array:
        """Which elements have fewer than half of their digits."""
        size = np.maximum(np.abs(self.exact), HALF * np.abs(self.exact).max(initial=0.0))
        return ~(np.abs(self.got - self.exact) <= HALF * size)

    def sentence(self) -> str:
        """Say how many elements differ, and by how much at most."""
        wrong = self.wrong
        if not wrong.any():
            return f"{self.name} is correct, except for its last digits"
        error = np.where(wrong, np.abs(self.got - self.exact), 0.0)
        at = tuple(map(int, np.unravel_index(int(error.argmax()), error.shape)))
        got, exact = float(self.got[at]), float(self.exact[at])
        return (
            f"{self.name} differs in {int(wrong.sum())} of {wrong.size} elements, most at {at}: "
            f"got {got:.6g}, exact {exact:.6g}"
        )


def diagnose(seen: Evidence) -> Diagnosis:
    """Compare the last output of every method with ours, part by part and element by element."""
    if seen.verdict == DIGITS:
        return Diagnosis([("lost digits", ROUNDING)], ", ".join(seen.last))
    bugs, parts = similar_bugs(seen), [part for name in seen.last for part in parts_of(seen, name)]
    wrong = [part for part in parts if part.wrong.any()]
    sections = [("looks like a known bug", bug) for bug in bugs]
    if wrong:
        sections.append(("the last calls", "\n".join(part.sentence() for part in parts)))
    cause = bugs[0] if bugs else ", ".join(part.name for part in wrong)
    return Diagnosis(sections, cause)


def parts_of(seen: Evidence, name: str) -> list[Part]:
    """Return the parts of the last output of a method; none if ours raises or has other shapes."""
    from ..adapters.ddpm_core import DdpmCore  # the implementation under test need not have torch

    arguments, named, output = seen.last[name]
    exact = _arrays(_output(DdpmCore(), name, arguments, named))
    got, fields = _arrays(output), fields_of(name, arguments, named)
    if [each.shape for each in got] != [each.shape for each in exact]:
        return []
    options = [each for each in (_option(argument) for argument in arguments) if each]
    call = f"{name}({', '.join(options)})" if options else name
    names = [f"{call}: {field}" for field, _ in fields]
    return [Part(*each) for each in zip(names, got, exact, strict=True)]


def _option(argument: Any) -> str:
    """Return the option that an argument is, such as a sampler; "" for all others."""
    return argument if isinstance(argument, str) else getattr(argument, "sampler", "")


def similar_bugs(seen: Evidence) -> list[str]:
    """Return a sentence for each known bug that gives the same outputs to the last calls.

    Where the output is wrong, the bug's is within NEAR of it; elsewhere the bug's is right, too.
    """
    from ..known_bugs import BUGS

    sentences = []
    for name, (arguments, named, _) in seen.last.items():
        parts = parts_of(seen, name)
        if not any(part.wrong.any() for part in parts):
            continue
        for bug in BUGS:
            if name in vars(bug.implementation):
                theirs = _arrays(_output(bug.implementation(), name, arguments, named))
                if len(theirs) == len(parts) and all(map(_has_the_bug, parts, theirs)):
                    what = f"{name} has the output of {bug.id} ({bug.where}): {bug.what}"
                    sentences.append(what)
    return sentences


def _has_the_bug(part: Part, theirs: Array) -> bool:
    """Whether a part agrees with the output of a bug."""
    if theirs.shape != part.got.shape:
        return False
    wrong = part.wrong
    near = np.abs(part.got - theirs) <= NEAR * np.abs(part.got - part.exact)
    return bool((near | ~wrong).all() and not (part._replace(got=theirs).wrong & ~wrong).any())


def _output(implementation: Any, name: str, arguments: tuple[Any, ...], named: dict) -> Any:
    try:
        return getattr(implementation, name)(*arguments, **named)
    except Exception:  # a bug that raises does not give this output
        return ()


def _arrays(output: Any) -> list[Array]:
    """Return the parts of an output; none if it has parts that are no numbers."""
    parts = output if isinstance(output, tuple) else (output,)
    try:
        return [np.asarray(each, np.float64) for each in parts]
    except (TypeError, ValueError):
        return []
