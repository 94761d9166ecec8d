"""Folders of the internal storage, named as Kestra names them. Pure."""

import re
import unicodedata
from typing import TypeGuard

NAMESPACE_FILE = "nsfile://"


def is_address(text: object) -> TypeGuard[str]:
    """Whether a text is the address of a file: `kestra:///…` of the internal storage, `nsfile://…` of a namespace."""
    return isinstance(text, str) and text.startswith(("kestra:///", NAMESPACE_FILE))


def slug(text: str) -> str:
    """As Kestra names folders: lower case, everything else than letters and digits a hyphen."""
    plain = unicodedata.normalize("NFD", text)
    plain = "".join(character for character in plain if not unicodedata.combining(character))
    return re.sub(r"[^a-z0-9]+", "-", re.sub(r"([a-z0-9])([A-Z])", r"\1-\2", plain).lower()).strip("-")


def namespace_path(namespace: str) -> str:
    return "/" + namespace.replace(".", "/")


def execution_prefix(namespace: str, flow_id: str, execution_id: str) -> str:
    return f"{namespace_path(namespace)}/{slug(flow_id)}/executions/{execution_id}"


def task_prefix(namespace: str, flow_id: str, execution_id: str, task_id: str, task_run_id: str) -> str:
    return f"{execution_prefix(namespace, flow_id, execution_id)}/tasks/{slug(task_id)}/{task_run_id}"
