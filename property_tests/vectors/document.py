"""The files in vectors/: their text, and how an answer is compared."""

import inspect
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..known_bugs import BUGS, KnownBug
from ..options.denoisers import Bounded
from ..oracles.exact import mp, mpf
from ..oracles.table import FLOAT32, NoDigitsError, through_a_float32_table
from ..protocol import Averages, Betas, Implementation
from ..protocol.shapes import fields_of
from .answers import ANSWERS
from .arguments import arguments
from .cases import SCHEDULES, Case, Topic
from .model_topics import MODEL
from .process_topics import PROCESS

TOPICS = {**PROCESS, **MODEL}
FORMAT = 1
FOLDER = Path(__file__).parents[2] / "vectors"
DIGITS = 17
ZERO = 2.0**-51  # times the roundings: what float64 may leave of an exact zero
NAMES: dict[str, tuple[str, ...]] = {  # of the outputs that `shapes` does not list
    "ema": Averages._fields,
    "from_latents": ("x",),
    "timestep_spacing": ("times",),
    "to_latents": ("y",),
}
CONVENTIONS = [
    "Timesteps are those of Ho et al. (2020): t = 1..T have noise, t = 0 is data, alpha_bar_0 = 1."
    " A library that counts from 0 subtracts 1.",
    "betas is a name in betas.json, whose list holds beta_1..beta_T.",
    "The first axis is the batch; s, t, labels and weights have one entry for each sample.",
    "inputs are the arguments of a method of the protocol; exact has its outputs by name.",
    "An answer is right if |got - exact| <= u * roundings, element by element, where u is the unit"
    " roundoff: 2^-53 for float64, 2^-24 for float32. The roundings are 8 kappa times the size of"
    " the terms (derivations/rounding.md), or a sum of such errors; 0 means exactly equal.",
    "table_roundings, where present, replace the roundings of a float32 program with a table of"
    " products alpha_bar_t, whose differences lose digits; null: no digit is left.",
    "known_bugs have the answers of real bugs that differ by more than float32 allows, to 9"
    " digits; null: not a number.",
]

Parts = dict[str, Any]  # an output by its names


def documents() -> dict[str, str]:
    """Return the text of each file by its name."""
    betas = {"format": FORMAT, "betas": {name: list(each) for name, each in SCHEDULES.items()}}
    found = {f"{name}.json": text(document(name, topic)) for name, topic in TOPICS.items()}
    return {"betas.json": text(betas), **found}


def document(name: str, topic: Topic) -> dict[str, Any]:
    methods = dict.fromkeys(case.method for case in topic.cases)
    return {
        "format": FORMAT,
        "topic": name,
        "note": topic.note,
        "conventions": CONVENTIONS,
        "equations": {each: link(each) for each in topic.equations.split()},
        "methods": {each: about(each) for each in methods},
        "cases": [vector(case) for case in topic.cases],
    }


def link(equation: str) -> str:
    """Return the place where an equation is derived."""
    page = equation.partition(".")[0].replace("-", "_")
    return f"derivations/{page}.md#{equation.replace('.', '')}"


def about(method: str) -> str:
    """Return the first line that the protocol says about a method."""
    return inspect.getdoc(getattr(Implementation, method)).splitlines()[0]


def vector(case: Case) -> dict[str, Any]:
    """Return a case with its exact answers, and those of known bugs."""
    given = arguments(case.inputs, SCHEDULES)
    answers = exact_parts(case, given)
    found = {
        "name": case.name,
        "method": case.method,
        "inputs": case.inputs,
        "exact": mapped(answers, lambda each: each.exact),
        "roundings": (roundings := mapped(answers, rounded_up)),
        "known_bugs": dict(bugs_of(case, answers)),
    }
    if case.at is not None:
        found["at"] = list(case.at)
    try:
        with through_a_float32_table():
            of_a_table = mapped(exact_parts(case, given), rounded_up)
    except NoDigitsError:
        of_a_table = None
    return found if of_a_table == roundings else {**found, "table_roundings": of_a_table}


def exact_parts(case: Case, given: Mapping[str, Any]) -> Parts:
    found = parts(case, given, ANSWERS[case.method](**given))
    return {name: answers.rows(case.at) for name, answers in found.items()}


def answered(implementation: Any, case: Case, schedules: Mapping[str, Betas]) -> Parts:
    """Return what an adapter answers to a case."""
    given = arguments(case.inputs, schedules)
    with np.errstate(all="ignore"):
        found = parts(case, given, getattr(implementation, case.method)(**given))
    rows = slice(None) if case.at is None else list(case.at)
    return {name: np.float64(array)[rows] for name, array in found.items()}


def parts(case: Case, given: Mapping[str, Any], output: Any) -> Parts:
    """Return the parts of an output by the names that the protocol gives them."""
    names = NAMES.get(case.method) or [name for name, _ in fields_of(case.method, (), dict(given))]
    return dict(zip(names, output if len(names) > 1 else (output,), strict=True))


def bugs_of(case: Case, answers: Parts) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the known bugs whose answers differ by more than float32 allows."""
    for bug in BUGS:
        if concerns(bug, case):
            theirs = answered(bug.implementation(), case, SCHEDULES)
            if not all(agrees(theirs[name], answers[name], FLOAT32) for name in answers):
                answer = {name: shortened(theirs[name], each) for name, each in answers.items()}
                yield bug.id, {"what": bug.what, "where": bug.where, "answer": answer}


def concerns(bug: KnownBug, case: Case) -> bool:
    """Return whether a bug is of the method, and of the sampler if it is of one."""
    sampler = bug.arguments.get("sampler", bug.arguments.get("variance"))
    others = case.method == "sample" and sampler not in (None, case.inputs["spec"]["sampler"])
    return case.method in vars(bug.implementation) and not others


def agrees(got: np.ndarray, answers: np.ndarray, unit_roundoff: float) -> bool:
    """Return whether every element is within its roundings; NaN is not."""
    pairs = zip(got.flat, answers.flat, strict=True)
    return got.shape == answers.shape and all(
        abs(mpf(float(x)) - mpf(want.exact)) <= unit_roundoff * mpf(want.error) for x, want in pairs
    )


def mapped(found: Parts, function: Any) -> Parts:
    """Apply a function to every answer, and return nested lists."""

    def each(value: Any) -> Any:
        return [each(part) for part in value] if isinstance(value, list) else function(value)

    return {name: each(array.tolist()) for name, array in found.items()}


def rounded_up(answer: Bounded) -> float:
    """Return the roundings to three digits, none of them too small."""
    return float(f"{float(answer.error) * 1.005:.3g}")


def shortened(array: np.ndarray, answers: np.ndarray) -> Any:
    """Return a bug's answer to 9 digits, without what rounding leaves of a zero."""

    def short(x: float, want: Bounded) -> float | None:
        if not np.isfinite(x):
            return None
        twelve = float(f"{x:.12g}")  # so that a tie stays one with other rounding errors
        return float(f"{twelve:.9g}") if abs(x) > ZERO * want.error else 0.0

    return np.frompyfunc(short, 2, 1)(array, answers).tolist()


def text(value: Any) -> str:
    return f"{rendered(value)}\n"


def rendered(value: Any, indent: str = "") -> str:
    """Return JSON with sorted keys, a list of numbers on one line if it fits."""
    inner = f"{indent}  "
    if isinstance(value, dict) and value:
        pairs = (f"{json.dumps(key)}: {rendered(value[key], inner)}" for key in sorted(value))
        return block("{", [f"{inner}{pair}" for pair in pairs], f"{indent}}}")
    if isinstance(value, list | tuple):
        flat = f"[{', '.join(rendered(each) for each in value)}]"
        if "{" not in flat and '"' not in flat and len(indent) + len(flat) <= 100:
            return flat
        return block("[", [inner + rendered(each, inner) for each in value], f"{indent}]")
    if hasattr(value, "_mpf_"):
        return str(mp.nstr(mpf(value), DIGITS))
    return json.dumps(value, allow_nan=False)


def block(start: str, lines: list[str], end: str) -> str:
    return "\n".join([start, ",\n".join(lines), end])
