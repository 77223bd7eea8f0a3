# SPDX-License-Identifier: Apache-2.0
"""Files that a model cannot read: refused where the user gives them now, told of in words everywhere else."""

from typing import Any

import msgspec
import pytest

from runwright import Agent, InMemoryRunner, LlmRequest, types
from runwright.errors import ModelBadRequestError
from runwright.testing.wire import FaultServer
from runwright.types import Blob, Content, FileData, FunctionResponse, FunctionResponsePart, Part
from tests.models import claude
from tests.models.openai_answers import calling, spoken
from tests.models.test_settings import good, model_of

PROVIDERS = ["claude", "responses", "chat"]
DRAWING = Blob(data=b"<svg/>", mime_type="image/svg+xml", display_name="a.svg")
PHOTO = Blob(data=b"\xff\xd8", mime_type="image/jpeg")
ELSEWHERE = FileData(file_uri="gs://bucket/a.png", mime_type="image/png")
TORN = FileData(file_uri="data:image/png;base64,not base64!", mime_type="image/png")
SOUND = Blob(data=b"ftyp", mime_type="audio/ogg", display_name="a.ogg")
FILM = Blob(data=b"ftyp", mime_type="video/mp4")
FAR_SOUND = FileData(file_uri="https://example.com/a.mp3", mime_type="audio/mpeg")
UNREADABLE: list[Any] = [DRAWING, ELSEWHERE, TORN, SOUND, FILM, FAR_SOUND]
NAMES = ["image", "elsewhere", "torn", "sound", "film", "far sound"]


def part(file: Blob | FileData) -> Part:
    return Part(inline_data=file) if isinstance(file, Blob) else Part(file_data=file)


async def sent(provider: str, *contents: Content) -> str:
    with FaultServer([good(provider)]) as server:
        model = model_of(provider, server.url)
        try:
            async for _ in model.generate_content_async(LlmRequest(contents=list(contents))):
                pass
        finally:
            await model.close()
        return server.requests[0].body.decode()


@pytest.mark.parametrize("file", UNREADABLE, ids=NAMES)
@pytest.mark.parametrize("provider", PROVIDERS)
async def test_what_the_user_gives_now_is_refused(provider: str, file: Any) -> None:
    with pytest.raises(ModelBadRequestError):
        await sent(provider, Content(role="user", parts=[part(file)]))


@pytest.mark.parametrize("file", UNREADABLE, ids=NAMES)
@pytest.mark.parametrize("provider", PROVIDERS)
async def test_what_was_given_earlier_is_told_of(provider: str, file: Any) -> None:
    earlier = Content(role="user", parts=[part(PHOTO), part(file)])
    body = await sent(provider, earlier, types.ModelContent("Nice."), types.UserContent("Go on."))
    assert f"of type {file.mime_type}, which you cannot read]" in body
    assert "/9g=" in body  # what can be read stays


@pytest.mark.parametrize("file", UNREADABLE, ids=NAMES)
@pytest.mark.parametrize("provider", PROVIDERS)
async def test_what_a_tool_answers_with_is_told_of(provider: str, file: Any) -> None:
    files = [
        FunctionResponsePart(inline_data=one) if isinstance(one, Blob) else FunctionResponsePart(file_data=one)
        for one in (PHOTO, file)
    ]
    answer = FunctionResponse(id="c", name="f", response={"result": "ok"}, parts=files)
    body = await sent(provider, types.UserContent("Hi"), Content(role="user", parts=[Part(function_response=answer)]))
    assert f"of type {file.mime_type}, which you cannot read]" in body
    assert "/9g=" in body


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_conversation_goes_on_after_such_a_file(provider: str) -> None:
    def draw() -> Any:
        """Draws."""
        return Part(inline_data=DRAWING)

    api: Any = provider
    called = (
        claude.answer(claude.use("draw"), stop="tool_use") if provider == "claude" else calling(api, ("draw", "{}"))
    )
    done = claude.answer(claude.text("Done.")) if provider == "claude" else spoken(api, "Done.")
    with FaultServer([called, done, done]) as server:
        model = model_of(provider, server.url)
        runner = InMemoryRunner(Agent(name="artist", model=model, tools=[draw]), app_name="app")
        who: dict[str, Any] = {"user_id": "u", "session_id": "s"}
        with pytest.raises(ModelBadRequestError):
            await runner.run_async(**who, new_message=Content(role="user", parts=[Part(inline_data=SOUND)]))
        events = await runner.run_async(**who, new_message="Draw.")
        await runner.close()
        await model.close()
        assert types.text_of(events[-1].content) == "Done."
        told = msgspec.json.encode(server.requests[-1].json()).decode()
    assert "a.ogg" in told and "a.svg" in told


async def test_a_jpeg_by_its_other_name_is_one() -> None:
    body = await sent("claude", Content(role="user", parts=[Part(inline_data=Blob(data=b"x", mime_type="image/jpg"))]))
    assert '"media_type":"image/jpeg"' in body
