"""Diagnosis of a failed check: known bugs with the same outputs, and the parts that differ."""

from typing import Any, NamedTuple

import numpy as np

from ..protocol import Array
from ..protocol.nouns import DIGITS
from .evidence import Evidence
from .likeness import likenesses
from .parts import HALF, Part, arrays, output_of, parts_of

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
    """Compare the shown output of every method with ours, part by part and element by element."""
    if seen.verdict == DIGITS:
        return Diagnosis([("lost digits", ROUNDING)], ", ".join(seen.last))
    bugs, parts = similar_bugs(seen), [part for name in seen.shown for part in parts_of(seen, name)]
    wrong = [part for part in parts if part.wrong.any()]
    sections = [("looks like a known bug", bug) for bug in bugs]
    sections += [("looks like", each) for each in likenesses(seen, impl)]
    if wrong:
        sections.append(("the last calls", "\n".join(part.sentence() for part in parts)))
    cause = bugs[0] if bugs else ", ".join(part.name for part in wrong)
    return Diagnosis(sections, cause)


def similar_bugs(seen: Evidence) -> list[str]:
    """Return a sentence for each known bug whose outputs the shown calls have.

    Where the bug's output is wrong, theirs is within NEAR of it. Errors elsewhere have another
    cause. A bug that explains half of the wrong numbers or more, in half of the digits of float32,
    is named if none explains all.
    """
    from ..known_bugs import BUGS

    complete, partial = [], []
    for name, (arguments, named, _) in seen.shown.items():
        parts = parts_of(seen, name)
        total = sum(int(part.wrong.sum()) for part in parts)
        for bug in BUGS if total else ():
            if name in vars(bug.implementation):
                theirs = arrays(output_of(bug.implementation(), name, arguments, named))
                what = f"the output of {bug.id} ({bug.where}): {bug.what}"
                if _explained(parts, theirs, NEAR) == total:
                    complete.append(f"{name} has {what}")
                elif 2 * (count := _explained(parts, theirs, HALF)) >= total:
                    partial.append(f"{name} has, in {count} of {total} wrong elements, {what}")
    return complete or partial


def _explained(parts: list[Part], theirs: list[Array], near: float) -> int:
    """Return the number of wrong elements that are those of a bug; 0 if others disagree with it."""
    if [part.got.shape for part in parts] != [each.shape for each in theirs]:
        return 0
    count = 0
    for part, bug in zip(parts, theirs, strict=True):
        if (part._replace(got=bug).wrong & ~part.wrong).any():  # only the bug is wrong there
            return 0
        close = np.abs(part.got - bug) <= near * np.abs(part.got - part.exact)
        count += int((close & part.wrong).sum())
    return count
