"""Expressions that are not mutated: checks, messages, annotations, and provably equal metadata."""

import ast
from collections.abc import Iterator

Parents = dict[ast.AST, ast.AST]
CHECKS = ("check_", "_check", "_refuse")  # prefixes of functions that only raise errors


def parents_of(tree: ast.AST) -> Parents:
    """Return the parent of each node."""
    return {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}


def exempt(parents: Parents, node: ast.AST) -> bool:
    """Return whether the node only checks, formats a message, annotates, or runs once at import."""
    return _checks(parents, node) or _read_by_checks(parents, node)


def out_of_scope(parents: Parents, node: ast.AST, name: str) -> bool:
    """Return whether no enclosing function defines the name: using it would raise a NameError."""
    return all(name not in _bound(function) for function in _functions(parents, node))


def same_metadata(parents: Parents, node: ast.AST, name: str) -> bool:
    """Return whether replacing the node by `name` provably changes nothing.

    expand_to reads shape, dtype and device of its second argument; compute_dtype and `.dtype` read
    the dtype, `.device` the device. If check_same_event was called above with two names, in a
    statement of the function itself, all three are equal unless a name is reassigned: otherwise it
    would have raised. Therefore reading either name gives the same value.
    """
    if not isinstance(node, ast.Name):
        return False
    match parents[node]:
        case ast.Call(ast.Name("expand_to"), [_, argument]) if argument is node:
            pass
        case ast.Call(ast.Name("compute_dtype"), [_]):
            pass
        case ast.Attribute(_, "dtype" | "device"):
            pass
        case _:
            return False
    function = next(_functions(parents, node))
    for statement in function.body:
        match statement:
            case ast.Expr(
                ast.Call(ast.Name("check_same_event"), [_, ast.Name(a), _, ast.Name(b)])
            ) if {a, b} == {node.id, name} and statement.lineno < node.lineno:
                return not any(
                    isinstance(each, ast.Name)
                    and isinstance(each.ctx, ast.Store)
                    and each.id in (a, b)
                    and each.lineno > statement.lineno
                    for each in ast.walk(function)
                )
    return False


def qualified_name(parents: Parents, node: ast.AST) -> str:
    """Return the function that the node is in, such as Dataset.take, or "" outside of any."""
    names: list[str] = []
    while node in parents:
        node = parents[node]
        if isinstance(node, ast.FunctionDef):
            names = [node.name]  # a local function belongs to the one around it
        elif isinstance(node, ast.ClassDef):
            names.insert(0, node.name)
    return ".".join(names)


def _functions(parents: Parents, node: ast.AST) -> Iterator[ast.FunctionDef]:
    """Yield the enclosing functions, innermost first."""
    while node in parents:
        node = parents[node]
        if isinstance(node, ast.FunctionDef):
            yield node


def _bound(function: ast.FunctionDef) -> set[str]:
    """Return the arguments and all names assigned in the function."""
    names = {each.arg for each in ast.walk(function.args) if isinstance(each, ast.arg)}
    return names | {
        each.id
        for each in ast.walk(function)
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
    }


def _checks(parents: Parents, node: ast.AST) -> bool:
    """Whether it is in a raise, assert, check, block ending in a raise, string or annotation."""
    inside = False
    while node in parents:
        above = parents[node]
        match above:
            case ast.Raise() | ast.Assert() | ast.JoinedStr() | ast.arg() | ast.AnnAssign():
                return True
            case ast.If(test=test, body=[*_, ast.Raise()]) if node is test or node in above.body:
                return True
            case ast.Call(ast.Name(name)) if name.startswith(CHECKS):
                return True
            case ast.Call(ast.Attribute(ast.Name("torch"), "_assert_async")):
                return True  # the raise of a device
            case ast.keyword("lowest"):  # the bound of a check, passed on
                return True
            case ast.Call(ast.Attribute(_, "float64" | "float32")):
                return True
            case ast.FunctionDef(returns=returns, args=arguments, decorator_list=decorators):
                if node is returns or node is arguments or node in decorators:
                    return True
                inside = True
        node = above
    return not inside  # module constants and class bodies are not run again


def _read_by_checks(parents: Parents, node: ast.AST) -> bool:
    """Whether it is assigned to, or iterated into, names that only checks read."""
    below, function = node, next(_functions(parents, node), None)
    while function is not None and below is not function:
        node, below = below, parents[below]
        match below:
            case ast.Assign(targets=[target]):
                pass
            case ast.For(target=target, iter=iterated) if node is iterated:
                pass
            case _:
                continue
        names = {each.id for each in ast.walk(target) if isinstance(each, ast.Name)}
        reads = [
            each
            for each in ast.walk(function)
            if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load) and each.id in names
        ]
        if reads and all(_checks(parents, each) for each in reads):
            return True
    return False
