# SPDX-License-Identifier: Apache-2.0
"""Tools that return images and files: they go along with the response, to the model and to the store."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from runwright import Agent, BasePlugin, Runner, types
from runwright.sessions.sqlite import SqliteSessionService
from runwright.testing import ScriptedModel, call

WHO: dict[str, Any] = {"user_id": "u", "session_id": "s"}
BLOB = types.Blob(data=b"\x89PNG\x00\xff", mime_type="image/png")
PNG = types.Part(inline_data=BLOB)
FAR = types.Part.from_uri(file_uri="https://example.org/a.pdf", mime_type="application/pdf")
AS_IMAGE = types.FunctionResponsePart(inline_data=BLOB)
AS_FILE = types.FunctionResponsePart(file_data=FAR.file_data)

RESULTS: list[tuple[Any, dict[str, Any], list[types.FunctionResponsePart] | None]] = [
    (PNG, {}, [AS_IMAGE]),
    (BLOB, {}, [AS_IMAGE]),
    (FAR.file_data, {}, [AS_FILE]),
    (AS_IMAGE, {}, [AS_IMAGE]),
    ([PNG, FAR], {}, [AS_IMAGE, AS_FILE]),
    (types.Content(parts=[PNG]), {}, [AS_IMAGE]),
    (["A plot:", PNG], {"result": ["A plot:"]}, [AS_IMAGE]),
    (("A plot:", PNG), {"result": ["A plot:"]}, [AS_IMAGE]),
    ({"title": "Plot", "plot": PNG, "more": [{"page": FAR}]}, {"title": "Plot"}, [AS_IMAGE, AS_FILE]),
    ({"title": "Plot", "rows": [{"n": 1, "plot": PNG}]}, {"title": "Plot", "rows": [{"n": 1}]}, [AS_IMAGE]),
    (types.FunctionResponse(response={"ok": True}, parts=[AS_IMAGE]), {"ok": True}, [AS_IMAGE]),
    ({"rows": [1, {"a": None}]}, {"rows": [1, {"a": None}]}, None),
]


def responses(content: types.Content | None) -> list[types.FunctionResponse]:
    return [part.function_response for part in (content and content.parts) or () if part.function_response is not None]


@pytest.mark.parametrize(("given", "response", "files"), RESULTS, ids=range(len(RESULTS)))
async def test_files_in_a_result_go_along_with_it(tmp_path: Path, given: Any, response: Any, files: Any) -> None:
    def draw() -> Any:
        """Draws."""
        return given

    model = ScriptedModel([call("draw"), "done"])
    service = SqliteSessionService(tmp_path / "s.db")
    async with Runner("app", Agent(name="a", model=model, tools=[draw]), service, auto_create_session=True) as runner:
        events = await runner.run_async(**WHO, new_message="Draw!")
        session = await service.get_session(app_name="app", **WHO)
    await service.close()
    assert session is not None
    for content in (events[1].content, model.requests[1].contents[-1], session.events[2].content):
        (answer,) = responses(content)
        assert (answer.name, answer.response, answer.parts) == ("draw", response, files)
    (answer,), (made,) = responses(events[1].content), events[0].get_function_calls()
    assert answer.id == made.id


@pytest.mark.parametrize("way", ["looks", "changes", "replaces", "replaces with a file"])
async def test_a_hook_hears_the_response_and_what_it_puts_in_its_place_is_all_there_is(way: str) -> None:
    def draw() -> Any:
        """Draws."""
        return {"title": "Plot", "plot": PNG}

    class Hook(BasePlugin):
        async def after_tool_callback(self, *, result: dict[str, Any], **_: Any) -> Any:
            assert result == {"title": "Plot"}
            if way == "changes":
                result["title"] = "New"
                return result
            return {"looks": None, "replaces": {"title": "New"}, "replaces with a file": {"title": "New", "f": FAR}}[
                way
            ]

    from_hook = {"looks": "Plot"}.get(way, "New")
    files = {"replaces": None, "replaces with a file": [AS_FILE]}.get(way, [AS_IMAGE])
    agent = Agent(name="a", model=ScriptedModel([call("draw"), "done"]), tools=[draw])
    async with Runner("app", agent, plugins=[Hook(name="hook")], auto_create_session=True) as runner:
        events = await runner.run_async(**WHO, new_message="Draw!")
    (answer,) = responses(events[1].content)
    assert (answer.response, answer.parts) == ({"title": from_hook}, files)


async def test_a_file_is_given_again_from_the_ledger(tmp_path: Path) -> None:
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)  # the store is closed under a run
    drawn: list[str] = []
    waits = asyncio.Event()

    async def draw() -> Any:
        """Draws."""
        drawn.append("drawn")
        return [PNG]

    async def wait() -> str:
        """Waits."""
        waits.set()
        await asyncio.sleep(60)
        return "over"

    def made(service: Any, *replies: Any) -> Runner:
        agent = Agent(name="a", model=ScriptedModel(list(replies)), tools=[draw, wait])
        return Runner("app", agent, service, auto_create_session=True)

    service = SqliteSessionService(tmp_path / "s.db", lease_seconds=1.0)
    runner = made(service, [call("draw"), call("wait")])
    task = asyncio.ensure_future(runner.run_async(**WHO, new_message="Draw!"))
    await waits.wait()
    await service.close()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    service = SqliteSessionService(tmp_path / "s.db", lease_seconds=1.0)
    async with made(service, "done") as runner:
        (stopped,) = await runner.recover()
        events = await runner.resume(stopped)
    await service.close()
    assert drawn == ["drawn"]
    assert responses(events[0].content)[0].parts == [AS_IMAGE]
