"""The statements of a template (`if`, `for`, `set`, `macro`, `block`, `filter`) to a tree; runs nothing."""

from __future__ import annotations

from flows.expressions import nodes
from flows.expressions.errors import ExpressionError, syntax_error
from flows.expressions.lexer import NAME, STRING, Tag, TextPiece, split
from flows.expressions.syntax import ExpressionParser

MAX_TAG_NESTING = 32
MAX_TEMPLATE = 2_000_000
REMOVED = ("include", "import", "from", "extends", "embed", "cache", "parallel", "flush", "autoescape")


def parse(source: str) -> nodes.Body:
    """The tree of a template; raises ExpressionError with line and column."""
    if len(source) > MAX_TEMPLATE:
        raise ExpressionError(f"The template is longer than {MAX_TEMPLATE} characters")
    return TemplateParser(source).template()


class TemplateParser:
    def __init__(self, source: str) -> None:
        self.source = source
        self.pieces = split(source)
        self.depth = 0

    def template(self) -> nodes.Body:
        body, ending = self.body(())
        if ending is not None:
            raise self.error(f'Unexpected tag "{ending.current.value}"', ending)
        return body

    def body(self, endings: tuple[str, ...]) -> tuple[nodes.Body, ExpressionParser | None]:
        """Statements up to a tag named in `endings`, which is returned behind its name."""
        statements: list[nodes.Node] = []
        for piece in self.pieces:
            if isinstance(piece, TextPiece):
                statements.append(nodes.Text(0, piece.text, piece.raw))
            elif piece.kind == "{{":
                statements.append(self.print(piece))
            else:
                parser = ExpressionParser(self.source, piece.tokens)
                if parser.current.kind != NAME:
                    raise parser.unexpected("expected the name of a tag")
                if parser.current.value in endings or parser.current.value.startswith(("end", "else")):
                    return nodes.Body(0, statements), parser
                statements.append(self.statement(parser, piece))
        return nodes.Body(0, statements), None

    def print(self, tag: Tag) -> nodes.Node:
        parser = ExpressionParser(self.source, tag.tokens)
        expression = parser.expression()
        parser.expect_end()
        return nodes.Print(tag.position, expression)

    def statement(self, parser: ExpressionParser, tag: Tag) -> nodes.Node:
        self.depth += 1
        if self.depth > MAX_TAG_NESTING:
            raise syntax_error("Tags are nested too deeply", self.source, tag.position)
        name = parser.advance().value
        readers = {
            "if": self.read_if,
            "for": self.read_for,
            "set": self.read_set,
            "macro": self.read_macro,
            "block": self.read_block,
            "filter": self.read_filter,
        }
        if name not in readers:
            hint = " (not part of this dialect)" if name in REMOVED else ""
            raise syntax_error(f'Unexpected tag name "{name}"{hint}', self.source, tag.position)
        statement = readers[name](parser, tag)
        self.depth -= 1
        return statement

    def read_if(self, parser: ExpressionParser, tag: Tag) -> nodes.Node:
        branches: list[tuple[nodes.Node, nodes.Body]] = []
        while True:
            condition = parser.expression()
            parser.expect_end()
            body, parser = self.block(tag, ("elseif", "else", "endif"))
            branches.append((condition, body))
            name = parser.advance().value
            if name != "elseif":
                break
        otherwise = None
        if name == "else":
            parser.expect_end()
            otherwise, parser = self.block(tag, ("endif",))
            parser.advance()
        parser.expect_end()
        return nodes.If(tag.position, branches, otherwise)

    def read_for(self, parser: ExpressionParser, tag: Tag) -> nodes.Node:
        variable = parser.expect_name().value
        if not parser.is_word("in"):
            raise parser.unexpected('expected "in"')
        parser.advance()
        iterable = parser.expression()
        parser.expect_end()
        body, ending = self.block(tag, ("else", "endfor"))
        otherwise = None
        if ending.advance().value == "else":
            ending.expect_end()
            otherwise, ending = self.block(tag, ("endfor",))
            ending.advance()
        ending.expect_end()
        return nodes.For(tag.position, variable, iterable, body, otherwise)

    def read_set(self, parser: ExpressionParser, tag: Tag) -> nodes.Node:
        name = parser.expect_name().value
        parser.expect("=")
        value = parser.expression()
        parser.expect_end()
        return nodes.Set(tag.position, name, value)

    def read_macro(self, parser: ExpressionParser, tag: Tag) -> nodes.Node:
        name = parser.expect_name().value
        parser.expect("(")
        parameters: list[tuple[str, nodes.Node | None]] = []
        while not parser.accept(")"):
            if parameters:
                parser.expect(",")
            parameter = parser.expect_name().value
            parameters.append((parameter, parser.expression() if parser.accept("=") else None))
        parser.expect_end()
        return nodes.Macro(tag.position, name, parameters, self.closed(tag, "endmacro"))

    def read_block(self, parser: ExpressionParser, tag: Tag) -> nodes.Node:
        token = parser.current
        if token.kind not in (NAME, STRING):
            raise parser.unexpected("expected the name of the block")
        parser.advance()
        parser.expect_end()
        name = token.value[1:-1] if token.kind == STRING else token.value
        return nodes.Block(tag.position, name, self.closed(tag, "endblock"))

    def read_filter(self, parser: ExpressionParser, tag: Tag) -> nodes.Node:
        filters = [parser.filter_invocation()]
        while parser.accept("|"):
            filters.append(parser.filter_invocation())
        parser.expect_end()
        return nodes.FilterBlock(tag.position, filters, self.closed(tag, "endfilter"))

    def closed(self, tag: Tag, ending: str) -> nodes.Body:
        body, parser = self.block(tag, (ending,))
        parser.advance()
        if parser.current.kind in (NAME, STRING):
            # Pebble allows the name again: {% endblock header %}
            parser.advance()
        parser.expect_end()
        return body

    def block(self, tag: Tag, endings: tuple[str, ...]) -> tuple[nodes.Body, ExpressionParser]:
        body, parser = self.body(endings)
        if parser is None:
            raise syntax_error(f'Missing tag "{endings[-1]}"', self.source, tag.position)
        if parser.current.value not in endings:
            raise self.error(f'Unexpected tag "{parser.current.value}", expected "{endings[-1]}"', parser)
        return body, parser

    def error(self, message: str, parser: ExpressionParser) -> ExpressionError:
        return syntax_error(message, self.source, parser.current.position)
