"""Mutation operators on the syntax tree: signs, roots, indices, and similar symbols swapped."""

import ast
import copy
from collections.abc import Collection, Iterator
from typing import NamedTuple

from .exempt import Parents, exempt, out_of_scope, parents_of, qualified_name, same_metadata

NAMES = (
    {"x_0", "x_t", "noise", "eps", "value", "x0_hat"},
    {"s", "t"},
    {"coef_x0", "coef_xt", "coef_noise"},
    {"beta_ts", "one_minus_ab_s", "one_minus_ab_t"},
    {"low", "high", "first", "last", "above", "here"},
    {"prediction", "target"},
    {"mine", "theirs", "averages", "weights"},
)
METHODS = (
    {"alpha_bar", "one_minus_alpha_bar"},
    {"alpha", "beta_between"},
    {"sin", "cos"},
)
DROPPED = {"sqrt", "exp", "log", "expm1", "log1p", "square", "neg"}  # f(x) -> x
REPLACED = {"sqrt": "square", "expm1": "exp", "log1p": "log", "exp": "expm1", "square": "abs"}
ARITHMETIC: dict[type, type] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Pow: ast.Mult,
}
COMPARISONS: dict[type, type] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
}


class Mutant(NamedTuple):
    """A mutated module, with the line and the first line of the mutated statement."""

    line: int
    statement: str
    tree: ast.Module


class Site(NamedTuple):
    """One mutation: places, in the order of ast.walk, of what it changes, and the replacement."""

    line: int
    node: int
    parent: int
    statement: int
    replacement: ast.expr


def mutants(source: str, left_out: Collection[str] = ()) -> list[Mutant]:
    """Return all mutants of computing lines; checks, messages and annotations are not mutated.

    They are sorted by line, because what kills one mutant of a line likely kills the next.
    left_out: qualified names of functions, such as Dataset.digest, that are not mutated.
    """
    made = (mutated(source, site) for site in sites(source, left_out))
    return sorted(made, key=lambda each: each.line)


def has_mutants(source: str, left_out: Collection[str] = ()) -> bool:
    """Whether there is a mutant, without making all of them."""
    return next(sites(source, left_out), None) is not None


def sites(source: str, left_out: Collection[str] = ()) -> Iterator[Site]:
    """Yield every mutation; arguments: as for `mutants`."""
    tree = ast.parse(source)
    parents = parents_of(tree)
    place = {node: number for number, node in enumerate(ast.walk(tree))}
    for node in place:
        if not isinstance(node, ast.expr) or exempt(parents, node):
            continue
        if qualified_name(parents, node) in left_out:
            continue
        for replacement in replacements(node):
            if isinstance(node, ast.Name) and isinstance(replacement, ast.Name):
                name = replacement.id
                if out_of_scope(parents, node, name) or same_metadata(parents, node, name):
                    continue
            above, statement = place[parents[node]], place[statement_of(parents, node)]
            yield Site(node.lineno, place[node], above, statement, replacement)


def mutated(source: str, site: Site) -> Mutant:
    """Return the mutant."""
    tree = ast.parse(source)  # the same tree, much faster than by a deep copy
    twins = list(ast.walk(tree))
    replace_node(twins[site.parent], twins[site.node], site.replacement)
    ast.fix_missing_locations(tree)
    return Mutant(site.line, first_line(twins[site.statement]), tree)


def first_line(statement: ast.AST) -> str:
    return ast.unparse(statement).partition("\n")[0]


def replacements(node: ast.expr) -> Iterator[ast.expr]:
    """Yield the replacements of a node by every applicable operator."""
    here = ast.unparse(node)
    for changed in _changes(node):
        if ast.unparse(ast.fix_missing_locations(copy.deepcopy(changed))) != here:
            yield changed


def _changes(node: ast.expr) -> Iterator[ast.expr]:
    match node:
        case ast.BinOp(left, op, right) if type(op) in ARITHMETIC:
            yield ast.BinOp(left, ARITHMETIC[type(op)](), right)
            yield left
            if isinstance(op, ast.Add | ast.Mult):
                yield right
            if isinstance(op, ast.Sub | ast.Div | ast.FloorDiv):
                yield ast.BinOp(right, op, left)
        case ast.UnaryOp(ast.USub(), operand):
            yield operand
        case ast.Call(ast.Attribute(owner, name), arguments):
            value = arguments[0] if isinstance(owner, ast.Name) and arguments else owner
            if name in DROPPED:
                yield value
            if name in REPLACED:
                yield ast.Call(ast.Attribute(owner, REPLACED[name], ast.Load()), arguments, [])
        case ast.Subscript(value, ast.Name() as index):  # constant indices are changed below
            for step in (ast.Add(), ast.Sub()):
                moved = ast.BinOp(index, step, ast.Constant(1))
                yield ast.Subscript(value, moved, node.ctx)
        case ast.Compare(left, [op], [right]) if type(op) in COMPARISONS:
            yield ast.Compare(left, [COMPARISONS[type(op)]()], [right])
        case ast.IfExp(test, body, other):
            yield ast.IfExp(test, other, body)
        case ast.Constant(value) if isinstance(value, int | float) and not isinstance(value, bool):
            yield from (ast.Constant(value + 1), ast.Constant(value - 1))
        case ast.Name(name, ast.Load()):
            yield from (ast.Name(other, ast.Load()) for other in _family(name, NAMES))
        case ast.Attribute(value, name):
            if name == "float64":
                yield ast.Attribute(value, "float32", ast.Load())
            yield from (ast.Attribute(value, other, ast.Load()) for other in _family(name, METHODS))


def _family(name: str, families: tuple[set[str], ...]) -> list[str]:
    return sorted({other for family in families if name in family for other in family} - {name})


def statement_of(parents: Parents, node: ast.AST) -> ast.AST:
    """Return the innermost statement that contains the node."""
    while not isinstance(node, ast.stmt):
        node = parents[node]
    return node


def replace_node(parent: ast.AST, old: ast.AST, new: ast.expr) -> None:
    """Replace a child by a copy of `new`."""
    for field, value in ast.iter_fields(parent):
        if value is old:
            setattr(parent, field, copy.deepcopy(new))
        elif isinstance(value, list):
            value[:] = [copy.deepcopy(new) if each is old else each for each in value]
