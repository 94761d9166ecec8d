"""The hints by which pages move: one after each change that the reader may see, none for others."""

import asyncio
from typing import Any

import pytest

from flows.definition.states import State
from tests.integration.rest_support import administrator, member, stored
from tests.integration.test_live_streams import basic, in_loop, in_thread, move_on, stream

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_remembered")]


async def next_hint(following: Any) -> dict[str, str]:
    found: dict[str, str] = await following()
    return await next_hint(following) if "retry" in found else found


def test_a_page_of_one_execution_is_told_of_its_changes_and_log_lines() -> None:
    administrator()
    execution = stored(state=State.RUNNING)

    async def test() -> None:
        async with stream(f"/events/?channel=execution.{execution.id}", basic("root")) as following:
            await in_thread(move_on, execution, State.SUCCESS)
            assert (await next_hint(following))["data"] == '{"type":"execution"}'

    in_loop(test)


def test_a_list_is_told_only_of_namespaces_that_its_reader_may_see() -> None:
    hidden, shown = stored(namespace="secret.ns", state=State.RUNNING), stored(state=State.RUNNING)
    member("vera", "viewer", "company.team")

    async def test() -> None:
        async with stream("/events/?channel=executions", basic("vera")) as following:
            waiting = asyncio.ensure_future(next_hint(following))
            await in_thread(move_on, hidden, State.SUCCESS)
            await asyncio.wait({waiting}, timeout=1.5)
            assert not waiting.done()
            await in_thread(move_on, shown, State.SUCCESS)
            assert (await asyncio.wait_for(waiting, 10))["data"] == '{"type":"executions"}'

    in_loop(test)
