"""The execution that a page is about, if its reader may see it and do what they want to."""

from collections.abc import Sequence

from django.http import Http404, HttpRequest

from executions.ids import to_uuid
from executions.models import ExecutionRecord
from flows.access import Role
from flows.pages.rights import access_of, require


def execution_or_404(request: HttpRequest, execution_id: str, role: Role = Role.VIEWER) -> ExecutionRecord:
    """One that this user may not see does not exist for them; one they may only see, they may not act on."""
    try:
        uuid = to_uuid(execution_id)
    except ValueError:
        raise Http404("This is no execution's id.") from None
    found: ExecutionRecord | None = (
        access_of(request).filter(ExecutionRecord.objects.filter(pk=uuid, deleted=False)).first()
    )
    if found is None:
        raise Http404("There is no such execution, or you may not see it.")
    require(request, role, found.namespace)
    return found


def executions_or_404(request: HttpRequest, execution_ids: Sequence[str], role: Role) -> None:
    """The same for many, by one query: all of them, or none."""
    try:
        wanted = {to_uuid(execution_id) for execution_id in execution_ids}
    except ValueError:
        raise Http404("This is no execution's id.") from None
    rows = access_of(request).filter(ExecutionRecord.objects.filter(pk__in=wanted, deleted=False))
    found = dict(rows.values_list("pk", "namespace"))
    if found.keys() != wanted:
        raise Http404("There is no such execution, or you may not see it.")
    for namespace in sorted(set(found.values())):
        require(request, role, namespace)
