"""Template text to syntax tree by a Pratt parser (Pebble's grammar and precedences); evaluates nothing."""

from __future__ import annotations

from flows.expressions import nodes
from flows.expressions.errors import ExpressionError, syntax_error
from flows.expressions.lexer import END, NAME, NUMBER, STRING, SYMBOL, Token, tokens_of

MAX_NESTING = 64
MAX_CHAIN = 150
LITERALS = {
    "true": True, "TRUE": True, "false": False, "FALSE": False,
    "null": None, "NULL": None, "none": None, "NONE": None,
}  # fmt: skip
# Binary operators of Pebble's CoreExtension and Kestra's two coalescing ones: a filter binds looser than
# `~`, `..` and `??`, tighter than arithmetic.
PRECEDENCE = {
    "or": 10, "||": 10, "and": 15, "&&": 15, "is": 30, "contains": 20, "in": 20,
    "==": 30, "equals": 30, "!=": 30, ">": 30, "<": 30, ">=": 30, "<=": 30,
    "+": 40, "-": 40, "*": 60, "/": 60, "%": 60,
    "|": 100, "~": 110, "..": 120, "??": 120, "???": 120,
}  # fmt: skip
UNARY = {"not": 5, "-": 500, "+": 500}
SAME_AS = {"||": "or", "&&": "and", "equals": "=="}


class ExpressionParser:
    """Reads expressions out of the tokens of one tag."""

    def __init__(self, source: str, tokens: list[Token]) -> None:
        self.source = source
        self.tokens = tokens
        self.index = 0
        self.current = tokens[0]
        self.nesting = 0

    # Tokens

    def advance(self) -> Token:
        token = self.current
        if self.index + 1 < len(self.tokens):
            self.index += 1
            self.current = self.tokens[self.index]
        return token

    def is_symbol(self, value: str) -> bool:
        return self.current.kind == SYMBOL and self.current.value == value

    def is_word(self, value: str) -> bool:
        return self.current.kind == NAME and self.current.value == value

    def accept(self, value: str) -> bool:
        if self.is_symbol(value):
            self.advance()
            return True
        return False

    def expect(self, value: str) -> Token:
        if not self.is_symbol(value):
            raise self.unexpected(f'expected "{value}"')
        return self.advance()

    def expect_name(self) -> Token:
        if self.current.kind != NAME:
            raise self.unexpected("expected a name")
        return self.advance()

    def expect_end(self) -> None:
        if self.current.kind != END:
            raise self.unexpected("expected the end of the expression")

    def unexpected(self, hint: str) -> ExpressionError:
        token = self.current
        what = "end of expression" if token.kind == END else f'token "{token.value}"'
        return syntax_error(f"Unexpected {what}, {hint}", self.source, token.position)

    # Expressions

    def expression(self, minimum: int = 0) -> nodes.Node:
        self.nesting += 1
        if self.nesting > MAX_NESTING:
            raise syntax_error("The expression is nested too deeply", self.source, self.current.position)
        left = self.prefix()
        chain = 0
        while True:
            operator = self.binary_operator()
            if operator is None or PRECEDENCE[operator] < minimum:
                break
            chain += 1
            if chain > MAX_CHAIN and operator != "~":
                raise syntax_error("The expression is too long", self.source, self.current.position)
            left = self.infix(left, operator)
        if minimum == 0:
            left = self.ternary(left)
        self.nesting -= 1
        return left

    def binary_operator(self) -> str | None:
        token = self.current
        if token.kind in (SYMBOL, NAME) and token.value in PRECEDENCE:
            return token.value
        return None

    def infix(self, left: nodes.Node, operator: str) -> nodes.Node:
        position = self.advance().position
        if operator == "|":
            return self.filter_call(left)
        if operator == "is":
            return self.test_call(left, position)
        right = self.expression(PRECEDENCE[operator] + 1)
        if operator == "~":
            parts = left.parts if isinstance(left, nodes.Concat) else [left]
            return nodes.Concat(position, [*parts, right])
        return nodes.Binary(position, SAME_AS.get(operator, operator), left, right)

    def prefix(self) -> nodes.Node:
        token = self.current
        if token.kind in (SYMBOL, NAME) and token.value in UNARY:
            self.advance()
            return nodes.Unary(token.position, token.value, self.expression(UNARY[token.value]))
        return self.postfix(self.primary())

    def primary(self) -> nodes.Node:
        token = self.current
        if token.kind == NAME:
            return self.name()
        if token.kind == NUMBER:
            self.advance()
            return nodes.Literal(token.position, _number(token.value, self.source, token.position))
        if token.kind == STRING:
            self.advance()
            return self.string(token)
        if self.accept("("):
            inner = self.expression()
            self.expect(")")
            return inner
        if self.accept("["):
            return nodes.ListLiteral(token.position, self.items("]"))
        if self.accept("{"):
            return nodes.MapLiteral(token.position, self.pairs())
        raise self.unexpected("expected a value")

    def name(self) -> nodes.Node:
        token = self.advance()
        if token.value in LITERALS:
            return nodes.Literal(token.position, LITERALS[token.value])
        if self.is_symbol("("):
            return nodes.FunctionCall(token.position, token.value, self.arguments())
        return nodes.Name(token.position, token.value)

    def string(self, token: Token) -> nodes.Node:
        quote, text = token.value[0], token.value[1:-1]
        if quote == "'" or "#{" not in text:
            return nodes.Literal(token.position, text.replace("\\" + quote, quote))
        return self.interpolated(text, token.position)

    def interpolated(self, text: str, position: int) -> nodes.Node:
        """Pebble's `"Hello #{name}"`."""
        parts: list[nodes.Node] = []
        rest, offset = text, position + 1
        while "#{" in rest:
            before, _, after = rest.partition("#{")
            inside, closed, rest = after.partition("}")
            if not closed:
                raise syntax_error('Unclosed "#{"', self.source, offset + len(before))
            start = offset + len(before) + 2
            parts.append(nodes.Literal(offset, before.replace('\\"', '"')))
            inner = ExpressionParser(self.source, tokens_of(self.source, inside, start))
            inner.nesting = self.nesting
            parts.append(inner.expression())
            inner.expect_end()
            offset = start + len(inside) + 1
        parts.append(nodes.Literal(offset, rest.replace('\\"', '"')))
        return nodes.Concat(position, parts)

    def postfix(self, target: nodes.Node) -> nodes.Node:
        chain = 0
        while True:
            position = self.current.position
            if self.accept("."):
                key = self.attribute_key()
            elif self.accept("["):
                key = self.expression()
                self.expect("]")
            else:
                return target
            chain += 1
            if chain > MAX_CHAIN:
                raise syntax_error("The path is too long", self.source, position)
            if self.is_symbol("("):
                raise syntax_error("Methods cannot be called: use a filter", self.source, position)
            target = nodes.Attribute(position, target, key)

    def attribute_key(self) -> nodes.Node:
        token = self.current
        if token.kind == NAME:
            self.advance()
            return nodes.Literal(token.position, token.value)
        if token.kind == NUMBER and token.value.isdigit():
            self.advance()
            return nodes.Literal(token.position, int(token.value))
        raise self.unexpected("expected the name of an attribute")

    def ternary(self, condition: nodes.Node) -> nodes.Node:
        position = self.current.position
        if not self.accept("?"):
            return condition
        then = self.expression()
        self.expect(":")
        return nodes.Ternary(position, condition, then, self.expression())

    # Lists, maps, arguments

    def items(self, close: str) -> list[nodes.Node]:
        items: list[nodes.Node] = []
        while not self.accept(close):
            if items:
                self.expect(",")
                if self.accept(close):
                    break
            items.append(self.expression())
        return items

    def pairs(self) -> list[tuple[nodes.Node, nodes.Node]]:
        pairs: list[tuple[nodes.Node, nodes.Node]] = []
        while not self.accept("}"):
            if pairs:
                self.expect(",")
                if self.accept("}"):
                    break
            key = self.expression()
            self.expect(":")
            pairs.append((key, self.expression()))
        return pairs

    def arguments(self) -> nodes.Arguments:
        self.expect("(")
        arguments = nodes.Arguments([], {})
        first = True
        while not self.accept(")"):
            if not first:
                self.expect(",")
                if self.accept(")"):
                    break
            first = False
            self.argument(arguments)
        return arguments

    def argument(self, arguments: nodes.Arguments) -> None:
        following = self.tokens[min(self.index + 1, len(self.tokens) - 1)]
        if self.current.kind == NAME and following.kind == SYMBOL and following.value == "=":
            name = self.advance().value
            self.advance()
            arguments.named[name] = self.expression()
            return
        if arguments.named:
            raise self.unexpected("expected a named argument")
        arguments.positional.append(self.expression())

    def filter_call(self, target: nodes.Node) -> nodes.Node:
        name, arguments, position = self.filter_invocation()
        return nodes.FilterCall(position, target, name, arguments)

    def filter_invocation(self) -> tuple[str, nodes.Arguments, int]:
        token = self.expect_name()
        arguments = self.arguments() if self.is_symbol("(") else nodes.Arguments([], {})
        return token.value, arguments, token.position

    def test_call(self, target: nodes.Node, position: int) -> nodes.Node:
        negated = self.is_word("not")
        if negated:
            self.advance()
        token = self.expect_name()
        arguments = self.arguments() if self.is_symbol("(") else nodes.Arguments([], {})
        return nodes.TestCall(token.position, target, token.value, arguments, negated)


def _number(text: str, source: str, position: int) -> int | float:
    text = text.rstrip("L")
    if len(text) > 400:
        raise syntax_error("The number is too long", source, position)
    return int(text) if text.isdigit() else float(text)
