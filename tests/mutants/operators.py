"""The small faults that are put into a source file, one at a time: each must make a test fail.

A mutant replaces the text of one syntax node, so that the rest of the file, and every line number, stays as it was.
Words for people (strings), annotations and docstrings are left alone: no test should hang on them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

_COMPARE: dict[type[ast.cmpop], tuple[str, ...]] = {
    ast.Eq: ("!=",), ast.NotEq: ("==",), ast.Lt: ("<=", ">="), ast.LtE: ("<", ">"), ast.Gt: (">=", "<="),
    ast.GtE: (">", "<"), ast.Is: ("is not",), ast.IsNot: ("is",), ast.In: ("not in",), ast.NotIn: ("in",),
}  # fmt: skip
_ARITHMETIC: dict[type[ast.operator], str] = {
    ast.Add: "-", ast.Sub: "+", ast.Mult: "/", ast.Div: "*", ast.BitOr: "&", ast.BitAnd: "|",
    ast.LShift: ">>", ast.RShift: "<<", ast.Mod: "*",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mutant:
    """One fault: what is written where, and where it stands."""

    file: str  # relative to the package
    function: str  # qualified name of the function it is in, or "" at the top of the module
    line: int  # first and last line of the statement it is in: what a covering test runs
    last_line: int
    start: int  # byte offsets of the text that is replaced
    end: int
    was: str
    becomes: str

    @property
    def key(self) -> str:
        """Name the mutant so that it is known again when lines above it have moved."""
        return f"{self.file}::{self.function}: {one_line(self.was)} -> {one_line(self.becomes)}"

    def applied(self, source: bytes) -> bytes:
        """Return the file with this fault in it."""
        return source[: self.start] + self.becomes.encode() + source[self.end :]


def one_line(text: str) -> str:
    """Return code on one line, shortened."""
    return " ".join(text.split())[:160]


def mutants(file: str, source: bytes) -> list[Mutant]:
    """Return every mutant of a file that is still a program, each once."""
    found: dict[tuple[int, int, str], Mutant] = {}
    visitor = _Visitor(file, source)
    visitor.visit(ast.parse(source))
    for mutant in visitor.found:
        try:
            compile(mutant.applied(source), file, "exec", dont_inherit=True)
        except SyntaxError:
            continue
        found.setdefault((mutant.start, mutant.end, mutant.becomes), mutant)
    return sorted(found.values(), key=lambda mutant: (mutant.start, mutant.end, mutant.becomes))


class _Visitor(ast.NodeVisitor):
    def __init__(self, file: str, source: bytes) -> None:
        self.file, self.source = file, source
        self.found: list[Mutant] = []
        self._functions: list[str] = []
        self._statement: list[ast.stmt] = []
        self._starts = [0]
        for line in source.split(b"\n"):
            self._starts.append(self._starts[-1] + len(line) + 1)

    def visit(self, node: ast.AST) -> None:
        if isinstance(node, ast.AnnAssign):
            if node.value is not None:
                self._in_statement(node, [node.value])
            return
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            self._functions.append(node.name)
            for default in node.args.defaults if isinstance(node, ast.FunctionDef) else []:
                self._in_statement(node, [default])
            for child in node.body:
                self.visit(child)
            self._functions.pop()
            return
        if isinstance(node, ast.stmt):
            self._in_statement(node, [])
            return
        for becomes, inner in self._expression(node):
            self._add(inner, becomes)
        super().visit(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Leave words alone, also where values stand in them."""

    def _in_statement(self, node: ast.stmt, only: list[ast.expr]) -> None:
        self._statement.append(node)
        children: list[ast.AST] = [*only] if only else [*ast.iter_child_nodes(node)]
        for becomes in () if only else self._of_statement(node):
            self._add(node, becomes)
        for child in children:
            if not (isinstance(node, ast.Raise) and not only):  # what an error says is for people
                self.visit(child)
        self._statement.pop()

    def _of_statement(self, node: ast.stmt) -> Iterator[str]:
        match node:
            case ast.Expr(value=ast.Constant()) | ast.Pass() | ast.Import() | ast.ImportFrom():
                return
            case ast.Expr(value=ast.Yield()):
                return
            case ast.Expr() | ast.Raise() | ast.AugAssign() | ast.Delete():
                yield "pass"
            case ast.Continue():
                yield "break"
            case ast.Break():
                yield "continue"
            case ast.Return(value=value) if value is not None and not isinstance(value, ast.Constant):
                yield "return None"
            case _:
                return

    def _expression(self, node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
        match node:
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                for becomes in _COMPARE[type(op)]:
                    yield f"{self._text(left)} {becomes} {self._text(right)}", node
            case ast.BoolOp(op=op, values=values):
                word = " or " if isinstance(op, ast.And) else " and "
                yield f"({word.join(self._text(value) for value in values)})", node
                for number in range(len(values)):
                    rest = [value for at, value in enumerate(values) if at != number]
                    same = " and " if isinstance(op, ast.And) else " or "
                    yield f"({same.join(self._text(value) for value in rest)})", node
            case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test) if _plain(test):
                yield f"(not {self._text(test)})", test
            case ast.comprehension(ifs=[test]) if _plain(test):
                yield f"(not {self._text(test)})", test
            case _:
                yield from self._value(node)

    def _value(self, node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
        match node:
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                yield f"({self._text(operand)})", node
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC and not _is_text(node):
                yield f"{self._text(left)} {_ARITHMETIC[type(op)]} {self._text(right)}", node
            case ast.Constant(value=bool(value)):
                yield str(not value), node
            case ast.Constant(value=int(value)):
                yield str(value + 1), node
            case _:
                return

    def _text(self, node: ast.AST) -> str:
        start, end = self._span(node)
        text = self.source[start:end].decode()
        return f"({text})" if isinstance(node, ast.BoolOp | ast.IfExp | ast.Lambda | ast.NamedExpr) else text

    def _span(self, node: ast.AST) -> tuple[int, int]:
        line, column = node.lineno, node.col_offset  # type: ignore[attr-defined]
        last, end = node.end_lineno, node.end_col_offset  # type: ignore[attr-defined]
        return self._starts[line - 1] + column, self._starts[last - 1] + end

    def _add(self, node: ast.AST, becomes: str) -> None:
        start, end = self._span(node)
        statement = self._statement[-1]
        body = getattr(statement, "body", None)
        head = body[0].lineno - 1 if body else statement.end_lineno
        function = ".".join(self._functions)
        was = self.source[start:end].decode()
        last = max(statement.lineno, head or statement.lineno)
        self.found.append(Mutant(self.file, function, statement.lineno, last, start, end, was, becomes))


def _plain(test: ast.expr) -> bool:
    """Tell whether a condition has no mutant of its own yet."""
    return not isinstance(test, ast.Compare | ast.BoolOp | ast.UnaryOp)


def _is_text(node: ast.BinOp) -> bool:
    """Tell whether this joins words, or types (`int | None`)."""
    sides = (node.left, node.right)
    return any(
        isinstance(side, ast.JoinedStr) or (isinstance(side, ast.Constant) and isinstance(side.value, str | None))
        for side in sides
    )
