"""Which guards a function can meet, by the annotations of its arguments."""

import ast
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from .exempt import Parents

CONTAINERS = {"Gaussian", "Prediction", "Loss", "LastPrediction"}  # dataclasses of tensors
SCHEDULED = {"Schedule", "DDIM", "Sampler[State]"}  # have T timesteps
LABELS = {"cond", "labels"}
LAST = {"t", "timestep"}  # arguments that may equal T
TIMES = {"s", "t"}
PROBES = {"probes"}  # constants, with an axis before the batch


class Sources(NamedTuple):
    """Of a call, the expressions that `guards.Call` holds the values of."""

    samples: tuple[str, ...] = ()
    batches: tuple[str, ...] = ()
    times: tuple[str, ...] = ()
    lengths: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()

    def __str__(self) -> str:
        return ", ".join(f"({''.join(f'{each}, ' for each in field)})" for field in self)


NEEDS: Mapping[str, tuple[str, ...]] = {  # guard -> what a call must have for it
    "float16": ("samples",),
    "bfloat16": ("samples",),
    "float32": ("samples",),
    "requires_grad": ("samples",),
    "one sample": ("batches",),
    "more than 64 samples": ("batches",),
    "T > 1000": ("lengths",),
    "t == T": ("times", "lengths"),
    "labels": ("labels",),
    "second call": (),
}


def applicable(sources: Sources) -> list[str]:
    """Return the guards that a call with these arguments can meet."""
    return [
        guard for guard, needed in NEEDS.items() if all(getattr(sources, field) for field in needed)
    ]


def sources_of(parents: Parents, function: ast.FunctionDef) -> Sources:
    """Return what a call of the function has: its arguments, and those of functions around it."""
    found: dict[str, list[str]] = {field: [] for field in Sources._fields}
    taken: set[str] = set()
    node: ast.AST = function
    while True:
        if isinstance(node, ast.FunctionDef):
            for argument, annotation in _arguments(parents, node):
                if argument not in taken:
                    for field in _fields(argument, annotation):
                        found[field].append(_expression(argument, annotation, field))
                taken.add(argument)
        if node not in parents:
            return Sources(**{field: tuple(names) for field, names in found.items()})
        node = parents[node]


def _arguments(parents: Parents, function: ast.FunctionDef) -> Iterator[tuple[str, str]]:
    """Yield (expression, annotation) of each argument; those of self are its fields."""
    given = function.args
    for each in (*given.posonlyargs, *given.args, *given.kwonlyargs):
        if each.arg == "self":
            yield from _fields_of_class(parents[function])
        elif each.annotation is not None:
            yield each.arg, ast.unparse(each.annotation)


def _fields_of_class(owner: ast.AST) -> Iterator[tuple[str, str]]:
    assert isinstance(owner, ast.ClassDef)
    for each in owner.body:
        match each:
            case ast.AnnAssign(ast.Name(name), annotation, value):
                if "init=False" not in ast.unparse(value or annotation):  # it is made later
                    yield f"self.{name}", ast.unparse(annotation)
            case ast.FunctionDef("__init__", ast.arguments(args=[_, ast.arg("T"), *_])):
                yield "self", "T"


def _fields(name: str, annotation: str) -> Iterator[str]:
    """Yield the fields of Sources that an argument belongs to."""
    parts = {part.strip() for part in annotation.split("|")}
    plain = "Tensor" in parts or bool(CONTAINERS & parts)
    tensor = re.search(r"(\w+)\[Tensor, '\s*\*?(\w+)", annotation)
    if any(part.startswith("Sequence") for part in parts):
        plain = False  # betas: numbers, not data
    if name in LABELS and "None" in parts:
        yield "labels"
        return
    if (plain or (tensor and tensor[1] == "Float")) and name not in TIMES | LABELS | PROBES:
        yield "samples"
    if "Time" in parts or (plain and name not in PROBES) or (tensor and tensor[2] == "batch"):
        yield "batches"
    if name in LAST and (parts & {"int", "Time", "Tensor"} or tensor):
        yield "times"
    one_per_timestep = tensor and tensor[1] == "Float64" and tensor[2] in ("T", "timesteps")
    if parts & (SCHEDULED | {"T"}) or name in ("T", "betas", "alpha_bar") or one_per_timestep:
        yield "lengths"


def _expression(name: str, annotation: str, field: str) -> str:
    if field == "lengths" and "timesteps" in annotation:
        return f"{name}[1:]"  # its first entry belongs to t = 0
    return name
