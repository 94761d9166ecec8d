"""Request bodies of flow routes: YAML to the letter, JSON turned into YAML. Content types are forgiven."""

from typing import IO, Any

import orjson
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser, MultiPartParser
from rest_framework.request import Request

from flows.api.errors import Unprocessable
from flows.definition.yaml_text import to_yaml

MAX_BODY = 10_000_000  # of requests with many flows; each flow has its own limit


def _text(stream: IO[bytes]) -> str:
    content = stream.read(MAX_BODY + 1)
    if len(content) > MAX_BODY:
        raise Unprocessable(f"Invalid entity: the body is larger than {MAX_BODY} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unprocessable("Invalid entity: the body is not UTF-8") from None


class JsonParser(BaseParser):
    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        text = _text(stream)
        try:
            return orjson.loads(text) if text.strip() else None
        except orjson.JSONDecodeError as error:
            raise ParseError(str(error)) from None


class TextParser(BaseParser):
    """YAML, and everything that does not say what it is."""

    media_type = "*/*"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        return _text(stream)


PARSERS = [JsonParser, MultiPartParser, TextParser]


def source_of(request: Request) -> str:
    """The text of one flow (task, trigger). Raises Unprocessable."""
    body = request.data
    if isinstance(body, str):
        return body
    if isinstance(body, dict) and body:
        return to_yaml(body)
    raise Unprocessable("Invalid entity: the body must be a flow")


def sources_of(request: Request) -> list[str]:
    """The texts of several flows: a list in JSON, documents between `---` lines in YAML."""
    body = request.data
    if isinstance(body, str):
        return documents(body)
    if isinstance(body, list) and all(isinstance(item, dict) for item in body):
        return [to_yaml(item) for item in body]
    if body is None or (isinstance(body, dict) and not body):
        return []
    raise Unprocessable("Invalid entity: the body must be a list of flows")


def documents(text: str) -> list[str]:
    """Each document keeps its own text, comments included."""
    found: list[list[str]] = [[]]
    for line in text.split("\n"):
        if line.rstrip() == "---":
            found.append([])
        else:
            found[-1].append(line)
    return ["\n".join(lines).strip("\n") + "\n" for lines in found if any(line.strip() for line in lines)]


def ids_of(request: Request) -> list[tuple[str, str]]:
    """[{"namespace", "id"}]"""
    return pairs_of(request.data)


def pairs_of(body: Any) -> list[tuple[str, str]]:
    if not isinstance(body, list):
        raise Unprocessable("Invalid entity: the body must be a list of {namespace, id}")
    pairs = []
    for item in body:
        namespace, flow_id = (item.get("namespace"), item.get("id")) if isinstance(item, dict) else (None, None)
        if not isinstance(namespace, str) or not isinstance(flow_id, str):
            raise Unprocessable("Invalid entity: the body must be a list of {namespace, id}")
        pairs.append((namespace, flow_id))
    return pairs
