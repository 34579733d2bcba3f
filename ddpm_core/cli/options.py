"""A dataclass as the options of a command: defaults, then a TOML file, then flags; and as JSON."""

import argparse
import ast
import dataclasses
import difflib
import inspect
import io
import itertools
import json
import math
import os
import re
import sys
import textwrap
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import GenericAlias, UnionType
from typing import (
    Annotated,
    Any,
    NamedTuple,
    NoReturn,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import tyro
from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

Config = TypeVar("Config")

NUMBERS = re.compile(r"-?\d+(,-?\d+)+")  # such as 1000,750,0


def flag(name: str) -> str:
    """Return the flag of a field; class_ becomes --class."""
    return "--" + name.rstrip("_").replace("_", "-")


def parse(kind: type[Config], command: str, arguments: Sequence[str] | None = None) -> Config:
    """Return the dataclass `kind` from defaults < --config file < flags; bad usage exits 2."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # its encoding may lack letters of a file name
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        Path.cwd()
    except FileNotFoundError:
        usage_error(command, "the working directory was removed; cd to a folder that exists")
    typed = list(sys.argv[1:] if arguments is None else arguments)
    from_file: list[str] = []
    finder = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    finder.add_argument("--config", nargs="?", type=Path)
    path = finder.parse_known_args(typed)[0].config
    if path is not None:
        try:
            from_file = list(_file_arguments(kind, path))
        except (OSError, ValueError) as error:
            usage_error(command, str(error))
    # One argument to the shell, but as many as there are numbers to a tuple.
    typed = [
        each
        for argument in typed
        for each in (argument.split(",") if NUMBERS.fullmatch(argument) else [argument])
    ]
    markers = [tyro.conf.OmitArgPrefixes]
    if {"-h", "--help"} & {*typed}:
        markers.append(tyro.conf.FlagCreatePairsOff)  # help shows no --no- twin of a flag
    # An argument without a flag comes first, or the file's last option would take it as its value.
    first = 1 if typed and not typed[0].startswith("-") else 0
    typed[first:first] = from_file
    groups = getattr(kind, "GROUPS", ())  # a section of --help each
    sections = [Annotated[_form(each), tyro.conf.arg(name=each.title)] for each in groups]
    form: Any = GenericAlias(tuple, tuple(sections)) if groups else _form(kind)
    prog, description = f"python -m ddpm_core.{command}", inspect.getdoc(kind)
    try:
        with VALUES:
            found = tyro.cli(form, prog=prog, description=description, args=typed, config=markers)
        parts = found if groups else (found,)
        return kind(**{name: value for each in parts for name, value in vars(each).items()})
    except ValueError as error:
        usage_error(command, str(error))
    except BrokenPipeError:  # of --help, such as by `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None
    except SystemExit as usage:
        if usage.code and from_file:
            print(f"a value that was not typed comes from --config {path}", file=sys.stderr)
        raise


def _form(kind: type[Any]) -> Any:
    """Return `kind` without its checks, which `parse` makes, and with the texts of its --help.

    A default of None is omitted. A flag that is on by default has the text of its --no- form.
    """
    hints, annotations = get_type_hints(kind, include_extras=True), {}
    texts = _texts(kind)
    for each in dataclasses.fields(kind):
        text, off = texts.get(each.name, ""), each.default is True
        text = f"Do not {text[:1].lower()}{text[1:]}" if off else text
        silent = each.default in (None, ()) or isinstance(each.default, bool)
        form = tyro.conf.arg(help=text, help_behavior_hint="" if silent else None)
        annotations[each.name] = Annotated[hints[each.name], form]
    names = {"__doc__": kind.__doc__, "__module__": kind.__module__}  # tyro reads its source
    checks = {"__post_init__": lambda self: None}
    return type(kind.__name__, (kind,), {**names, **checks, "__annotations__": annotations})


def _texts(kind: type[Any]) -> dict[str, str]:
    """Return the text below each field in the source; tyro would show its line breaks."""
    found = {}
    for each in filter(dataclasses.is_dataclass, reversed(kind.__mro__)):
        try:
            (node,) = ast.parse(textwrap.dedent(inspect.getsource(each))).body
        except (OSError, TypeError):  # the source is not on disk, so there are no texts
            continue
        for field, below in itertools.pairwise(getattr(node, "body", [])):
            if isinstance(field, ast.AnnAssign) and isinstance(below, ast.Expr):
                found[ast.unparse(field.target)] = " ".join(ast.literal_eval(below.value).split())
    return found


VALUES = ConstructorRegistry()


@VALUES.primitive_rule
def _number(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Any] | None:
    """Read a number, or a tuple of integers; the error says so in words."""
    inner = get_args(info.type) if get_origin(info.type) is tuple else (info.type,)
    kind, what = inner[0], "an integer" if inner[0] is int else "a number"
    if kind not in (int, float):
        return None

    def read(texts: list[str]) -> Any:
        values = []
        for text in texts:
            try:
                values.append(kind(text))
            except ValueError:
                raise ValueError(f"{text!r} is not {what}; pass {what}, such as 3") from None
        return values[0] if inner == (info.type,) else tuple(values)

    many = inner[-1] is Ellipsis
    return PrimitiveConstructorSpec(
        nargs="*" if many else len(inner),
        metavar="[INT ...]" if many else " ".join([kind.__name__.upper()] * len(inner)),
        instance_from_str=read,
        is_instance=lambda value: True,
        str_from_instance=lambda value: [*map(str, value if isinstance(value, tuple) else [value])],
    )


@VALUES.primitive_rule
def _optional(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Any] | None:
    """Read `Kind | None` as `Kind`: None is the default, and never typed."""
    options = get_args(info.type)
    if get_origin(info.type) not in (Union, UnionType) or type(None) not in options:
        return None
    (kind,) = (each for each in options if each is not type(None))
    spec = ConstructorRegistry.get_primitive_spec(PrimitiveTypeInfo.make(kind, info.markers))
    if not isinstance(spec, PrimitiveConstructorSpec):
        return None  # a kind of value that is unknown to tyro, which reports it
    return dataclasses.replace(
        spec,
        is_instance=lambda value: value is None or spec.is_instance(value),
        str_from_instance=lambda value: [] if value is None else spec.str_from_instance(value),
    )


def suffixes(config: Any, forms: Mapping[str, str]) -> list[str]:
    """Return the file-name suffixes of a call: one per option that differs from its default."""
    defaults, found = {each.name: each.default for each in dataclasses.fields(config)}, []
    for name, form in forms.items():
        value = getattr(config, name)
        if value != defaults[name]:
            found.append(form.format(*value if isinstance(value, tuple) else (value,)))
    return found


def refuse_unused(config: Any, names: Sequence[str], reason: str) -> None:
    """Refuse options that would have no effect, unless they have their default."""
    for each in dataclasses.fields(config):
        if each.name in names and getattr(config, each.name) != each.default:
            raise ValueError(f"omit {flag(each.name)}: {reason}")


def remedy(config: Any, name: str, values: str) -> str:
    """Return the remedy for an option outside its range: the valid values, or its default."""
    default = next(each.default for each in dataclasses.fields(config) if each.name == name)
    return f"pass {values}, or omit it" + (f" (default: {default})" if default is not None else "")


class Range(NamedTuple):
    """The valid values of an option, `least <= value < below`, and the words for them."""

    least: float
    below: float
    rule: str  # completes "--option = value ..."
    valid: str  # completes "pass ..."


def at_least(least: int) -> Range:
    """Return the range of the finite numbers from `least`."""
    return Range(least, math.inf, f"must be finite and at least {least}", f"{least} or more")


POSITIVE = Range(math.ulp(0.0), math.inf, "must be finite and above 0", "a number above 0")
FRACTION = Range(0, 1, "is outside [0, 1)", "a fraction of this range")


def check_ranges(config: Any, ranges: Mapping[str, Range]) -> None:
    """Refuse an option outside its range; None is the default of an option, and valid."""
    for name, valid in ranges.items():
        value = getattr(config, name)
        if value is not None and not valid.least <= value < valid.below:  # False for NaN as well
            raise ValueError(
                f"{flag(name)} = {value} {valid.rule}; {remedy(config, name, valid.valid)}"
            )


def usage_error(command: str, sentence: str) -> NoReturn:
    """Print what is wrong with the call and exit with 2."""
    print(f"ddpm_core.{command}: {sentence}", file=sys.stderr)
    raise SystemExit(2)


def _file_arguments(kind: type[Any], path: Path) -> Iterator[str]:
    """Yield the entries of a TOML file as flags, so that one parser checks both."""
    if not path.is_file():
        raise FileNotFoundError(f"--config {path} is not a file; pass a TOML file of options")
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"--config {path} is not TOML: {error}") from None
    seen: dict[str, str] = {}
    names = [each.name.rstrip("_") for each in dataclasses.fields(kind) if each.name != "config"]
    for key, value in entries.items():
        name = key.replace("-", "_")
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            hint = f"; did you mean {near[0]}?" if near else f"; the options are {', '.join(names)}"
            raise ValueError(f"--config {path} has an unknown option {key!r}{hint}")
        if name in seen:
            raise ValueError(f"--config {path} has {seen[name]!r} and {key!r}; keep one of them")
        seen[name] = key
        switch = get_type_hints(kind).get(name) is bool
        if switch != isinstance(value, bool):
            rule = "write true or false" if switch else "write a value, not true or false"
            raise ValueError(
                f"--config {path} has {key} = {json.dumps(value, default=str)}; {rule}"
            )
        if switch:
            yield flag(name) if value else "--no-" + flag(name)[2:]
        else:
            yield flag(name)
            yield from map(str, value) if isinstance(value, list) else [str(value)]


def to_json(config: Any) -> dict[str, Any]:
    """Return the fields as JSON values."""
    values: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(config), default=str))
    return values


def from_json(kind: type[Config], values: dict[str, Any]) -> Config:
    """Invert `to_json`. Raises ValueError for an unknown option."""
    hints = get_type_hints(kind)
    unknown = sorted(values.keys() - hints.keys())
    if unknown:
        raise ValueError(
            f"the options {', '.join(unknown)} are unknown to this version: upgrade ddpm-core"
        )
    return kind(
        **{
            name: tuple(value)
            if isinstance(value, list)
            else Path(value)
            if value is not None and Path in get_args(hints[name])
            else value
            for name, value in values.items()
        }
    )
