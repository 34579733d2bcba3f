"""Diagnosis of a failed check: known bugs with the same outputs, and the parts that differ."""

from typing import Any, NamedTuple

import numpy as np

from ..protocol import Array
from ..protocol.nouns import DIGITS
from .evidence import Evidence
from .likeness import likenesses
from .parts import Part, arrays, output_of, parts_of

NEAR = 1e-2  # of the distance to the exact output: a hint for the reader, not a verdict
ROUNDING = (
    "no wrong formula: with the rounding errors of a table of alpha_bar_t in float32 allowed, the "
    "check passes. 1 - alpha_bar from a running product loses digits at small t; -expm1 of a "
    "running sum of log1p(-beta) does not"
)


class Diagnosis(NamedTuple):
    """Sections of the report of one failure, and the cause by which failures are grouped."""

    sections: list[tuple[str, str]]
    cause: str


def diagnose(seen: Evidence, impl: Any) -> Diagnosis:
    """Compare the last output of every method with ours, part by part and element by element."""
    if seen.verdict == DIGITS:
        return Diagnosis([("lost digits", ROUNDING)], ", ".join(seen.last))
    bugs, parts = similar_bugs(seen), [part for name in seen.last for part in parts_of(seen, name)]
    wrong = [part for part in parts if part.wrong.any()]
    sections = [("looks like a known bug", bug) for bug in bugs]
    sections += [("looks like", each) for each in likenesses(seen, impl)]
    if wrong:
        sections.append(("the last calls", "\n".join(part.sentence() for part in parts)))
    cause = bugs[0] if bugs else ", ".join(part.name for part in wrong)
    return Diagnosis(sections, cause)


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
                theirs = arrays(output_of(bug.implementation(), name, arguments, named))
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
