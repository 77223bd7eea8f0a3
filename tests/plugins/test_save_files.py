# SPDX-License-Identifier: Apache-2.0
"""Files in the user's messages: SaveFilesAsArtifactsPlugin and RunConfig.save_input_blobs_as_artifacts."""

from typing import Any

import pytest

from runwright import (
    Agent,
    ArtifactVersion,
    InMemoryArtifactService,
    RunConfig,
    SaveFilesAsArtifactsPlugin,
    SequentialAgent,
    ToolContext,
    types,
)
from runwright.errors import ConfigurationError, InputValidationError
from runwright.testing import ScriptedModel, call
from tests.plugins.conversation import Chat, Chats, results, shown

SAVING = RunConfig(save_input_blobs_as_artifacts=True)


def file(name: str | None, data: bytes = b"a,b\n1,2\n", mime_type: str = "text/csv") -> types.Part:
    return types.Part(inline_data=types.Blob(data=data, mime_type=mime_type, display_name=name))


def message(*parts: types.Part) -> types.Content:
    return types.UserContent([types.Part(text="see"), *parts])


async def saved(chat: Chat, name: str, version: int | None = None, session_id: str = "s") -> bytes | None:
    service = chat.runner.artifact_service
    assert service is not None
    part = await service.load_artifact(
        app_name="chats", user_id="u", session_id=session_id, filename=name, version=version
    )
    return part.inline_data.data if part is not None and part.inline_data is not None else None


@pytest.fixture(params=["plugin", "run config"])
def way(request: pytest.FixtureRequest) -> tuple[list[Any], RunConfig | None]:
    """The plugins and the run config that save files."""
    return ([SaveFilesAsArtifactsPlugin()], None) if request.param == "plugin" else ([], SAVING)


async def test_a_file_becomes_an_artifact_and_a_line_of_text(
    chat: Chats, way: tuple[list[Any], RunConfig | None]
) -> None:
    plugins, config = way
    model = ScriptedModel(["thanks"])
    one = chat(Agent(name="a", model=model), *plugins)
    sent = message(file("table.csv"))
    await one.say(sent, config)
    assert await saved(one, "table.csv") == b"a,b\n1,2\n"
    line = "[The file 'table.csv' (text/csv) came with this message and is kept as artifact version 0]"
    assert shown(model.requests[0]) == ["see", line]
    session = await one.session()
    assert session.events[0].content == types.UserContent(["see", line])
    assert [event.actions.artifact_delta for event in session.events if event.actions.artifact_delta] == [
        {"table.csv": 0}
    ]
    assert sent == message(file("table.csv"))


async def test_a_tool_reads_the_file_that_the_user_sent(chat: Chats, way: tuple[list[Any], RunConfig | None]) -> None:
    async def size(name: str, tool_context: ToolContext) -> int:
        part = await tool_context.load_artifact(name)
        assert part is not None and part.inline_data is not None and part.inline_data.data is not None
        return len(part.inline_data.data)

    plugins, config = way
    model = ScriptedModel([call("size", name="table.csv"), "done"])
    events = await chat(Agent(name="a", model=model, tools=[size]), *plugins).say(message(file("table.csv")), config)
    assert results(events) == [{"result": 8}]


async def test_a_file_without_a_name_gets_one(chat: Chats, way: tuple[list[Any], RunConfig | None]) -> None:
    plugins, config = way
    one = chat(Agent(name="a", model=ScriptedModel(["thanks"])), *plugins)
    events = await one.say(message(file(None)), config)
    assert await saved(one, f"artifact_{events[0].invocation_id}_1") == b"a,b\n1,2\n"


async def test_two_files_of_one_name_are_two_versions(chat: Chats, way: tuple[list[Any], RunConfig | None]) -> None:
    plugins, config = way
    model = ScriptedModel(["thanks"])
    one = chat(Agent(name="a", model=model), *plugins)
    await one.say(message(file("x", b"old"), file("x", b"new")), config)
    assert [await saved(one, "x", 0), await saved(one, "x", 1)] == [b"old", b"new"]
    assert ["version 0" in line for line in shown(model.requests[0])] == [False, True, False]


async def test_a_file_of_the_user_is_there_in_all_sessions(
    chat: Chats, way: tuple[list[Any], RunConfig | None]
) -> None:
    plugins, config = way
    one = chat(Agent(name="a", model=ScriptedModel(["thanks"])), *plugins)
    await one.say(message(file("user:cv.pdf", b"cv")), config)
    assert await saved(one, "user:cv.pdf", session_id="another") == b"cv"


async def test_a_name_that_leads_elsewhere_is_refused(chat: Chats, way: tuple[list[Any], RunConfig | None]) -> None:
    plugins, config = way
    model = ScriptedModel(["thanks"])
    with pytest.raises(InputValidationError, match="leads elsewhere"):
        await chat(Agent(name="a", model=model), *plugins).say(message(file("../../etc/passwd")), config)
    assert model.requests == []


async def test_without_a_service_it_is_said_what_to_do(chat: Chats, way: tuple[list[Any], RunConfig | None]) -> None:
    plugins, config = way
    one = chat(Agent(name="a", model=ScriptedModel(["fine"])), *plugins)
    one.runner.artifact_service = None
    with pytest.raises(ConfigurationError, match="artifact_service="):
        await one.say(message(file("x")), config)
    assert types.text_of((await one.say("no file", config))[-1].content) == "fine"


async def test_a_message_without_files_stays_as_it_is(chat: Chats) -> None:
    model = ScriptedModel(["thanks"])
    one = chat(Agent(name="a", model=model), SaveFilesAsArtifactsPlugin())
    events = await one.say("hello")
    assert shown(model.requests[0]) == ["hello"]
    assert len(events) == 1


async def test_by_itself_nothing_is_saved(chat: Chats) -> None:
    model = ScriptedModel(["thanks"])
    one = chat(Agent(name="a", model=model))
    await one.say(message(file("table.csv")))
    (sent,) = model.requests[0].contents
    assert sent == message(file("table.csv"))
    assert await saved(one, "table.csv") is None


async def test_the_versions_of_one_run_are_not_told_in_the_next(chat: Chats) -> None:
    one = chat(Agent(name="a", model=ScriptedModel(["one", "two"])), SaveFilesAsArtifactsPlugin())
    await one.say(message(file("x")))
    assert not any(event.actions.artifact_delta for event in await one.say("again"))


async def test_the_versions_are_told_once_though_several_agents_run(chat: Chats) -> None:
    writer, reader = (Agent(name=name, model=ScriptedModel(["ok"])) for name in ("writer", "reader"))
    one = chat(SequentialAgent(name="both", sub_agents=[writer, reader]), SaveFilesAsArtifactsPlugin())
    events = await one.say(message(file("x")))
    assert [event.author for event in events if event.actions.artifact_delta] == ["both"]


class Bucket(InMemoryArtifactService):
    """A store whose files a provider can read."""

    async def get_artifact_version(self, **place: Any) -> ArtifactVersion | None:
        found = await super().get_artifact_version(**place)
        if found is not None:
            found.canonical_uri = f"gs://bucket/{place['filename']}/{place['version']}"
        return found


@pytest.mark.parametrize("attach", [True, False])
async def test_a_file_that_the_provider_can_read_is_handed_over_by_its_uri(chat: Chats, attach: bool) -> None:
    model = ScriptedModel(["thanks"])
    one = chat(Agent(name="a", model=model), SaveFilesAsArtifactsPlugin(attach_file_reference=attach))
    one.runner.artifact_service = Bucket()
    await one.say(message(file("table.csv")))
    files = [part.file_data for part in model.requests[0].contents[0].parts or () if part.file_data is not None]
    handed = types.FileData(file_uri="gs://bucket/table.csv/0", mime_type="text/csv", display_name="table.csv")
    assert files == ([handed] if attach else [])
