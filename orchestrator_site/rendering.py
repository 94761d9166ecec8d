"""How REST answers are encoded: always JSON, by the one codec. Apart from `rest`, which needs DRF's views."""

from typing import Any

import orjson
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer

from flows.expressions import taint


class JsonRenderer(BaseRenderer):
    media_type = "application/json"
    format = "json"
    charset = None

    def render(self, data: Any, accepted_media_type: Any = None, renderer_context: Any = None) -> bytes:
        if data is None:
            return b""
        options = orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z | orjson.OPT_PASSTHROUGH_SUBCLASS
        return orjson.dumps(data, default=_plain, option=options)


def _plain(value: Any) -> Any:
    """Subclasses of plain types; secrets are stars in any answer."""
    if isinstance(value, taint.Tainted):
        return taint.mask(value)
    if isinstance(value, dict):
        return dict(value)
    if isinstance(value, list):
        return list(value)
    if isinstance(value, int):
        return int(value)
    return str(value)


class OneForm(DefaultContentNegotiation):
    """The official clients ask for all kinds of types and read JSON: what they accept is not looked at."""

    def select_renderer(self, request: Any, renderers: Any, format_suffix: Any = None) -> tuple[Any, str]:
        return renderers[0], renderers[0].media_type
