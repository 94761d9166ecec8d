"""A trigger by HTTP request."""

from pydantic import Field

from flows.triggers.base import Trigger


class Webhook(Trigger):
    """`key` is a template (a secret, say); the rendered and trimmed text is part of the address."""

    key: str = Field(min_length=1, max_length=256)
    wait: bool = False
    return_outputs: bool = False
    response_content_type: str | None = None
    response_code: str | int | None = None
