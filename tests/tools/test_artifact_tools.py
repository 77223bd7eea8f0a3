# SPDX-License-Identifier: Apache-2.0
"""load_artifacts: the model is told of files, and shown those that it asks for."""

import io
import random
import zipfile
from typing import Any

import pytest

from runwright import Agent, InMemoryRunner, types
from runwright.testing import ScriptedModel, call
from runwright.tools.artifacts import LoadArtifactsTool, as_safe_part_for_llm, load_artifacts

WHO: dict[str, Any] = {"user_id": "u", "session_id": "s"}
PNG = types.Part.from_bytes(data=b"\x89PNG", mime_type="image/png")


async def asked_for(names: Any, files: dict[str, types.Part], *more: Any, tool: Any = load_artifacts) -> ScriptedModel:
    """A conversation in which the model asks for files."""
    model = ScriptedModel([call("load_artifacts", artifact_names=names), *more, "done"])
    async with InMemoryRunner(Agent(name="a", model=model, tools=[tool])) as runner:
        assert runner.artifact_service is not None
        for name, part in files.items():
            await runner.artifact_service.save_artifact(app_name=runner.app_name, **WHO, filename=name, artifact=part)
        await runner.artifact_service.save_artifact(
            app_name=runner.app_name, user_id="other", session_id="s", filename="secret", artifact=PNG
        )
        await runner.run_async(**WHO, new_message="What is in it?")
    return model


def behind_the_answer(request: Any) -> list[tuple[str | None, types.Part]]:
    """The files that a request ends with: what is said of each, and it."""
    contents = list(request.contents)
    answered = max(at for at, one in enumerate(contents) if any(part.function_response for part in one.parts))
    return [(one.parts[0].text, one.parts[1]) for one in contents[answered + 1 :]]


async def test_the_model_is_told_of_files_and_shown_what_it_asks_for() -> None:
    model = await asked_for(["b.png"], {"a.txt": types.Part(text="A"), "b.png": PNG}, call("load_artifacts"))
    first, second, third = model.requests
    assert '["a.txt","b.png"]' in first.config.system_instruction
    assert [part.text for content in first.contents for part in content.parts] == ["What is in it?"]
    assert behind_the_answer(second) == [("Artifact b.png is:", PNG)]
    assert behind_the_answer(third) == []


async def test_without_files_nothing_is_said_of_them() -> None:
    model = await asked_for([], {})
    assert "files" not in model.requests[0].config.system_instruction


@pytest.mark.parametrize(
    ("name", "asked", "found"),
    [
        ("user:a", "a", True),
        ("user:a", "user:a", True),
        ("a", "a", True),
        ("a", "secret", False),
        ("a", "../other/s/secret", False),
    ],
)
async def test_only_what_was_listed_is_loaded_whatever_the_model_asks_for(name: str, asked: str, found: bool) -> None:
    model = await asked_for([asked], {name: PNG})
    assert behind_the_answer(model.requests[-1]) == ([(f"Artifact {asked} is:", PNG)] if found else [])


async def test_names_that_are_no_list_go_back_to_the_model() -> None:
    model = await asked_for("a", {"a": PNG})
    (answer,) = (part.function_response for part in model.requests[-1].contents[-1].parts)
    assert "list of strings" in answer.response["error"]


def document(text: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("word/document.xml", text)
    return packed.getvalue()


DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
WORDS = '<w:p w:x="1"><w:r><w:t>One</w:t><w:t xml:space="preserve"> &amp; two</w:t></w:r></w:p><w:p><w:t>3</w:t></w:p>'


@pytest.mark.parametrize(
    ("name", "mime_type", "data", "text"),
    [
        ("a.csv", "text/csv; charset=utf-8", b"1,2", "1,2"),
        ("a.json", "application/json", b"{}", "{}"),
        ("a.svg", "image/svg+xml", b"<svg/>", "<svg/>"),
        ("a.txt", "application/octet-stream", b"\xff", "\ufffd"),
        ("a.docx", DOCX, document(WORDS), "One & two\n3"),
        ("a.docx", DOCX, b"torn", f"[a.docx is a file of type {DOCX} with 4 bytes. It cannot be shown here.]"),
        (
            "a.zip",
            "application/zip",
            b"PK",
            "[a.zip is a file of type application/zip with 2 bytes. It cannot be shown here.]",
        ),
    ],
)
def test_what_models_do_not_take_is_shown_as_text(name: str, mime_type: str, data: bytes, text: str) -> None:
    assert as_safe_part_for_llm(types.Part.from_bytes(data=data, mime_type=mime_type), name) == types.Part(text=text)


@pytest.mark.parametrize("mime_type", ["image/png", "audio/wav", "video/mp4", "application/pdf"])
def test_what_models_take_is_shown_as_it_is(mime_type: str) -> None:
    part = types.Part.from_bytes(data=b"x", mime_type=mime_type)
    assert as_safe_part_for_llm(part, "a") == part


async def test_a_program_may_say_what_is_shown() -> None:
    async def process(artifact: types.Part, name: str) -> types.Part | None:
        return None if name == "a" else types.Part(text=f"{name} it is")

    model = await asked_for(["a", "b"], {"a": PNG, "user:b": PNG}, tool=LoadArtifactsTool(process_artifact=process))
    assert behind_the_answer(model.requests[-1]) == [("Artifact b is:", types.Part(text="user:b it is"))]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.filterwarnings("ignore")
def test_a_damaged_document_is_told_of(method: int) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        archive.writestr("word/document.xml", "<w:p><w:r><w:t>Hello</w:t></w:r></w:p>" * 50)
    chance = random.Random(method)
    for _ in range(500):
        damaged = bytearray(packed.getvalue())
        for _ in range(chance.randint(1, 4)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        assert as_safe_part_for_llm(types.Part.from_bytes(data=bytes(damaged), mime_type=DOCX), "a.docx").text


def test_a_document_made_to_be_slow_is_read_in_no_time() -> None:
    # What looks at each beginning of a tag as far as the end takes hours for this.
    slow = document("<w:t " * 400_000)
    part = as_safe_part_for_llm(types.Part.from_bytes(data=slow, mime_type=DOCX), "a.docx")
    assert part.text == ""
