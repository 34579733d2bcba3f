"""Loading the adapter that --ddpm-impl names; every mistake in it is one sentence.

A factory, a function or class with a table of `options`, makes one adapter for each of them.
"""

import difflib
import importlib
import re
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest

EXAMPLE = "mypackage.adapter:MyDiffusion"
NAME_OF_OPTIONS = r"(?!\.+$)[\w.,=+-]{1,100}"  # that of a folder in the folder of the report
FINEST, COARSEST = 2.0**-113, 2.0**-8  # unit roundoff of binary128 and of bfloat16


class Adapters:
    """The adapters of --ddpm-impl by the name of their options, loaded once per process."""

    def __init__(self, name: str | None) -> None:
        self._chosen = None if name is None else load(name)

    def load(self, default: str) -> dict[str, Any]:
        """Return the chosen adapters, or the one with the name `default`."""
        return load(default) if self._chosen is None else self._chosen


def load(name: str) -> dict[str, Any]:
    """Return the adapters at MODULE:ATTRIBUTE by the name of their options; one has the name "".

    A class or function is called, with the arguments of each entry of its `options` if it has such
    a table. MODULE:ATTRIBUTE[NAME] is one of them. Raises pytest.UsageError with one sentence,
    whatever goes wrong.
    """
    module, _, attribute = name.partition(":")
    attribute, chosen = _without_option(attribute)
    if not module or not attribute:
        raise _refusal(name, f"write a module, a colon and an adapter in it, as in {EXAMPLE}")
    if "/" in module or module.endswith(".py"):
        raise _refusal(name, f"write the name of a module{_dotted(module)}, in place of its file")
    with _one_sentence(name, f"importing {module}"):
        try:
            found = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name is not None and f"{module}.".startswith(f"{error.name}."):
                raise _refusal(name, _not_found(module, error.name)) from None
            raise
    with _one_sentence(name, f"{module}.{attribute}"):
        try:
            adapter = getattr(found, attribute)
        except AttributeError:
            raise _refusal(name, _no_attribute(found, attribute)) from None
    adapters = _made(name, attribute, adapter, chosen)
    for each in adapters.values():
        with _one_sentence(name, "reading its name and unit_roundoff"):
            try:
                check_attributes(each)
            except (TypeError, ValueError) as error:
                raise _refusal(name, str(error)) from None
    return adapters


def _dotted(file: str) -> str:
    """Return the name that a file has as a module of the current folder, or an example."""
    file = file.removesuffix(".py")
    if Path(file).is_absolute():
        if not Path(file).is_relative_to(Path.cwd()):
            return f", such as {Path(file).name}"
        file = str(Path(file).relative_to(Path.cwd()))
    return f", {file.strip('./').replace('/', '.')}"


def _without_option(attribute: str) -> tuple[str, str]:
    """Return the attribute and what is in brackets after it."""
    if not attribute.endswith("]"):
        return attribute, ""
    attribute, _, option = attribute.removesuffix("]").partition("[")
    return attribute, option


def _made(name: str, attribute: str, found: Any, chosen: str) -> dict[str, Any]:
    """Return an adapter, what a class or function returns, or what it does for its options."""
    factory = isinstance(found, type | FunctionType)
    options = getattr(found, "options", None) if factory else None
    if options is None:
        if chosen:
            raise _refusal(name, f"{attribute} has no table of options")
        with _one_sentence(name, f"{attribute}()"):
            return {"": found() if factory else found}
    _check_table(name, attribute, options)
    if chosen and chosen not in options:
        raise _refusal(name, f"{attribute} has no options {chosen}{_near(chosen, options)}")
    adapters = {}
    for each in [chosen] if chosen else options:
        with _one_sentence(name, f"{attribute} with the options {each}"):
            adapters[each] = found(**options[each])
    return {"": adapters.popitem()[1]} if len(adapters) == 1 else adapters


def _check_table(name: str, attribute: str, options: Any) -> None:
    """Refuse what is not a table of options, or a name that a folder cannot have."""
    tables = [*options.values()] if isinstance(options, Mapping) else []
    if not tables or not all(isinstance(each, Mapping) for each in tables):
        raise _refusal(name, f"{attribute}.options must be {{name: {{argument: value}}}}")
    for each in options:
        if not isinstance(each, str) or not re.fullmatch(NAME_OF_OPTIONS, each):
            rule = "use 1 to 100 letters, digits and any of . , = + - _, and not dots alone"
            raise _refusal(name, f"{attribute}.options has the name {each!r}; {rule}")


@contextmanager
def _one_sentence(name: str, action: str) -> Iterator[None]:
    """Replace whatever the user's code raises, SystemExit and a skip included."""
    try:
        yield
    except (KeyboardInterrupt, pytest.UsageError):
        raise
    except BaseException as error:
        raise _refusal(name, f"{action} raised {_described(error)}") from None


def check_attributes(adapter: Any) -> None:
    """Refuse an adapter without a name or with an implausible unit roundoff."""
    if adapter is None:
        raise TypeError("the adapter is None. Return it at the end of the function")
    if not isinstance(getattr(adapter, "name", None), str):
        raise TypeError(f"name = {getattr(adapter, 'name', None)!r} must be a string")
    unit = getattr(adapter, "unit_roundoff", None)
    if not isinstance(unit, float) or not FINEST <= unit <= COARSEST:
        raise ValueError(
            f"unit_roundoff = {unit!r} is outside 2**-113..2**-8. Use that of the implementation's "
            "precision, such as 2**-53 for float64 or 2**-24 for float32."
        )


def _not_found(module: str, missing: str) -> str:
    """Say that a module is missing, and how it is found if it lies below the current folder."""
    top, *rest = missing.split(".")
    if rest:
        return f"{top} has no module {'.'.join(rest)}"
    for folder in (Path(), Path("src"), Path("tests")):
        for file in (folder / f"{top}.py", folder / top):
            if file.exists():
                also = " or use python -m pytest" if folder == Path() else ""
                here = "the current folder" if folder == Path() else str(folder)
                return (
                    f"{file} is there, but {here} is not on Python's path. Put PYTHONPATH={folder} "
                    f"before the command{also}"
                )
    return (
        f"no module {top} is installed or on Python's path. Put PYTHONPATH=FOLDER before the "
        f"command, with the folder that contains {top}"
        + ("" if "." in module else f".py; the current one is {Path.cwd()}")
    )


def _no_attribute(module: ModuleType, attribute: str) -> str:
    public = [each for each in vars(module) if not each.startswith("_")]
    return f"module {module.__name__} has no attribute {attribute}{_near(attribute, public)}"


def _near(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f". Did you mean {near[0]}?" if near else ""


def _described(error: BaseException) -> str:
    """Return the type, message and place of an error, in one line."""
    message = " ".join(str(error).split())
    frames = [
        each
        for each in traceback.extract_tb(error.__traceback__)
        if each.filename not in (__file__, importlib.__file__)
        and not each.filename.startswith("<frozen importlib")
    ]
    known = not frames or isinstance(error, SyntaxError)  # its message names the place
    where = "" if known else f" ({frames[-1].filename}, line {frames[-1].lineno})"
    return f"{type(error).__name__}{': ' if message else ''}{message}{where}"


def _refusal(name: str, reason: str) -> pytest.UsageError:
    return pytest.UsageError(f"--ddpm-impl {name}: {reason}")
