"""Guarded mutants: faults that show only under a condition of a call, and three other kinds.

A guarded mutant replaces an expression E by `(M if guard else E)`, where M is what a mutant of
`operators` puts in its place and the guard is decided when the function is entered. The others
insert a detach(), change a default, or recall the answer of an earlier call.
"""

import ast
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import ModuleType
from typing import NamedTuple

from . import defaults, guards
from .exempt import Parents, exempt, parents_of, qualified_name
from .inject import injected
from .operators import Site, first_line, mutated, replace_node, sites, statement_of
from .signatures import Sources, applicable, sources_of
from .unreachable import never_met

DETACH, DEFAULT, CACHE = "detach()", "default", "cache"
KINDS = (*guards.CONDITIONS, DETACH, DEFAULT, CACHE)
GUARD = "__guarded__"  # a local variable of the mutated function
ANSWERS = {"x0_hat", "var_interpolation", "per_sample"}  # attributes that carry gradients
METADATA = {"dtype", "device", "shape", "ndim", "new_zeros", "numel", "detach", "tolist", "h"}
READS_METADATA = {"compute_dtype", "len", "zeros_like", "ones_like", "full_like"}
READS_METADATA |= {"isinstance", "_along"}
LIKE = {"expand_to", "promoted", "parameter_dtype"}  # read metadata of their second argument


class Entry(NamedTuple):
    """One guarded mutant of a catalogue; `place` is in the order of ast.walk."""

    line: int
    kind: str  # of KINDS
    place: int  # of the statement that a guard covers, the name detached, the function cached
    function: int = 0  # the line of the mutated function
    sites: tuple[Site, ...] = ()  # the mutations of the statement; one of them is guarded
    default: defaults.Default | None = None

    @property
    def needed(self) -> str:
        """The guard that a test must meet in the function to kill the mutant; "" for a default."""
        others = {DETACH: guards.CALLED, CACHE: guards.SECOND_CALL, DEFAULT: ""}
        return others.get(self.kind, self.kind)


class Injection(NamedTuple):
    """The mutated statement, and the context in which the mutant runs."""

    statement: str
    context: AbstractContextManager[None]


def catalogue(module: ModuleType, source: str, left_out: Collection[str]) -> list[Entry]:
    """Return every guarded mutant of the module, sorted by line."""
    tree = ast.parse(source)
    parents = parents_of(tree)
    nodes = list(ast.walk(tree))
    found = [
        *_conditional(module, source, left_out, parents, nodes),
        *_detaching(left_out, parents, nodes),
        *_caching(left_out, parents, nodes),
        *(
            Entry(each.line, DEFAULT, number, default=each)
            for number, each in enumerate(defaults.changed(module, tree, left_out))
        ),
    ]
    return sorted(found, key=lambda each: (each.line, each.place, KINDS.index(each.kind)))


def _conditional(
    module: ModuleType,
    source: str,
    left_out: Collection[str],
    parents: Parents,
    nodes: list[ast.AST],
) -> Iterator[Entry]:
    """Yield an entry for every statement that has mutants and every guard that it can meet."""
    name = module.__name__.removeprefix("ddpm_core.")
    by_statement: dict[int, list[Site]] = {}
    for site in sites(source, left_out):
        if isinstance(getattr(nodes[site.node], "ctx", ast.Load()), ast.Load):  # not a target
            by_statement.setdefault(site.statement, []).append(site)
    for statement, found in by_statement.items():
        function = _function(parents, nodes[found[0].node])
        unmet = never_met(name, function.name)
        for guard in applicable(sources_of(parents, function)):
            if guard not in unmet:
                yield Entry(found[0].line, guard, statement, function.lineno, tuple(found))


def _detaching(
    left_out: Collection[str], parents: Parents, nodes: list[ast.AST]
) -> Iterator[Entry]:
    """Yield an entry for every place where the values of a tensor with a gradient are read."""
    for place, node in enumerate(nodes):
        if not isinstance(node, ast.Name | ast.Attribute) or not isinstance(node.ctx, ast.Load):
            continue
        if exempt(parents, node) or qualified_name(parents, node) in left_out:
            continue
        function = _function(parents, node)
        known = sources_of(parents, function).samples
        answer = isinstance(node, ast.Attribute) and node.attr in ANSWERS
        if (answer or ast.unparse(node) in known) and not _reads_metadata(parents, node):
            yield Entry(node.lineno, DETACH, place, function.lineno)


def _caching(left_out: Collection[str], parents: Parents, nodes: list[ast.AST]) -> Iterator[Entry]:
    """Yield an entry for every function whose answer depends on the values of tensors."""
    for place, node in enumerate(nodes):
        if not isinstance(node, ast.FunctionDef) or isinstance(parents[node], ast.FunctionDef):
            continue
        if qualified_name(parents, node.body[0]) in left_out or exempt(parents, node.body[0]):
            continue
        sources = sources_of(parents, node)
        returns = any(isinstance(each, ast.Return) and each.value for each in ast.walk(node))
        yields = any(isinstance(each, ast.Yield | ast.YieldFrom) for each in ast.walk(node))
        values = (*sources.samples, *sources.batches, *({*sources.lengths} - {"T"}))
        if returns and not yields and values:
            yield Entry(node.lineno, CACHE, place, node.lineno)


def base(source: str, site: Site) -> tuple[str, ast.Module]:
    """Return statement and tree of the mutant without a guard."""
    _, statement, tree = mutated(source, site)
    return statement, tree


def injection(module: ModuleType, source: str, entry: Entry, site: Site | None) -> Injection:
    """Return the mutant, ready to run; `site`: the mutation that is guarded."""
    if entry.default is not None:
        return Injection(str(entry.default), defaults.injected(entry.default))
    tree = ast.parse(source)
    parents = parents_of(tree)
    nodes = list(ast.walk(tree))
    if entry.kind == CACHE:
        statement = _cache(nodes[entry.place])
    elif entry.kind == DETACH:
        node = nodes[entry.place]
        assert isinstance(node, ast.expr)
        called = ast.Call(ast.Name("__detached__", ast.Load()), [node], [])
        replace_node(parents[node], node, called)
        statement = first_line(statement_of(parents, node)).replace("__detached__", "detached")
    else:
        assert site is not None
        statement = base(source, site)[0]
        node = nodes[site.node]
        assert isinstance(node, ast.expr)
        function = _function(parents, node)
        sources = sources_of(parents, function)
        either = ast.IfExp(ast.Name(GUARD, ast.Load()), site.replacement, node)
        replace_node(parents[node], node, either)
        _enter(function, entry.kind, sources)
    ast.fix_missing_locations(tree)
    return Injection(statement, _running(module, tree))


@contextmanager
def _running(module: ModuleType, tree: ast.Module) -> Iterator[None]:
    guards.begin()
    vars(module).update(guards.NAMES)
    try:
        with injected(module, tree):
            yield
    finally:
        for name in guards.NAMES:
            del vars(module)[name]


def _enter(function: ast.FunctionDef, guard: str, sources: Sources) -> None:
    """Decide the guard first of all; comprehensions and lambdas read the local variable."""
    decide = ast.parse(f"{GUARD} = __guard__({guard!r}, {sources})").body
    after_docstring = int(ast.get_docstring(function) is not None)
    function.body[after_docstring:after_docstring] = decide


def _cache(function: ast.AST) -> str:
    """Let the function return the recalled answer of a local function with its own body."""
    assert isinstance(function, ast.FunctionDef)
    given = function.args
    names = [each.arg for each in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    local = ast.parse(f"def __fresh__({', '.join(names)}): pass").body[0]
    assert isinstance(local, ast.FunctionDef)
    local.body = function.body
    answer = ast.parse(f"return __recalled__({', '.join(['__fresh__', *names])})").body
    function.body = [local, *answer]
    return f"{function.name}({', '.join(names)}) recalled"


def _function(parents: Parents, node: ast.AST) -> ast.FunctionDef:
    while not isinstance(node, ast.FunctionDef):
        node = parents[node]
    return node


def _reads_metadata(parents: Parents, node: ast.AST) -> bool:
    """Return whether only metadata of the node, or none of its values as floats, are read."""
    match parents[node]:
        case ast.Attribute(_, "mean" | "var") | ast.Call(ast.Name("flat"), _) | ast.Subscript():
            return _reads_metadata(parents, parents[node])
        case ast.Attribute(_, name):
            return name in METADATA
        case ast.Call(ast.Name(name), [_, argument]) if name in LIKE and argument is node:
            return True
        case ast.Call(function, _) if function is node:
            return True
        case ast.Call(ast.Name(name) | ast.Attribute(_, name), _):
            return name in READS_METADATA
        case ast.Compare():
            return True  # a truth value has no gradient
    return False
