# SPDX-License-Identifier: Apache-2.0
"""Answers that are kept (``output_key``) and answers as data (``output_schema``)."""

import dataclasses
import json
from typing import TypedDict

import msgspec
import pydantic
import pytest

from runwright import Agent, LlmResponse, types
from runwright.errors import ConfigurationError, ModelError, ToolArgumentsError
from runwright.testing import ScriptedModel, call


def look() -> str:
    """Looks."""
    return "seen"


class PydanticCity(pydantic.BaseModel):
    name: str
    people: int


@dataclasses.dataclass
class DataclassCity:
    name: str
    people: int


class TypedDictCity(TypedDict):
    name: str
    people: int


class StructCity(msgspec.Struct):
    name: str
    people: int


JSON_CITY = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "people": {"type": "integer"}},
    "required": ["name", "people"],
}
CITY = {"name": "Oslo", "people": 700_000}
OBJECTS = [PydanticCity, DataclassCity, TypedDictCity, StructCity, JSON_CITY]
SCHEMAS = [
    *((schema, CITY) for schema in OBJECTS),
    *((list[one], [CITY, CITY]) for one in OBJECTS[:4]),
    (list[int], [1, 2]),
]


async def test_the_answer_is_kept(chat):
    talk = chat(Agent(name="a", model=ScriptedModel(["One", "Two"]), output_key="user:answer"))
    events = await talk.say()
    assert events[-1].actions.state_delta == {"user:answer": "One"}
    await talk.say()
    assert await talk.state() == {"user:answer": "Two"}


async def test_text_before_and_after_tool_calls_is_kept_together(chat):
    model = ScriptedModel([["I look. ", call("look")], ["Again. ", call("look")], "Done."])
    talk = chat(Agent(name="a", model=model, tools=[look], output_key="answer"))
    events = await talk.say()
    assert [event.actions.state_delta.get("answer") for event in events if event.content.role == "model"] == [
        "I look. ", "I look. Again. ", "I look. Again. Done.",
    ]  # fmt: skip
    assert await talk.state() == {"answer": "I look. Again. Done."}


async def test_thoughts_and_silence_are_not_kept(chat):
    empty = LlmResponse(content=types.Content(role="model", parts=[types.Part(text="hm", thought=True)]))
    talk = chat(
        Agent(name="a", model=ScriptedModel([[types.Part(text="hm", thought=True), "Yes"], empty]), output_key="k")
    )
    await talk.say()
    await talk.say()
    assert await talk.state() == {"k": "Yes"}


@pytest.mark.parametrize(("schema", "data"), SCHEMAS, ids=lambda value: getattr(value, "__name__", None))
async def test_data_alone(chat, schema, data):
    model = ScriptedModel([json.dumps(data)])
    talk = chat(Agent(name="a", model=model, output_schema=schema, output_key="city"))
    events = await talk.say()
    config = model.requests[0].config
    assert config.response_mime_type == "application/json" and config.response_schema is not None
    assert json.loads(events[-1].content.parts[0].text) == data
    assert await talk.state() == {"city": data}


@pytest.mark.parametrize(("schema", "data"), SCHEMAS, ids=lambda value: getattr(value, "__name__", None))
async def test_data_beside_tools(chat, schema, data):
    answer = data if isinstance(data, dict) else {"answer": data}
    model = ScriptedModel([call("look"), call("set_model_response", **answer)])
    talk = chat(Agent(name="a", model=model, tools=[look], output_schema=schema, output_key="city"))
    events = await talk.say()
    config = model.requests[0].config
    assert config.response_schema is None and "set_model_response" in config.system_instruction
    assert set(model.requests[0].tools_dict) == {"look", "set_model_response"}
    assert events[-1].is_final_response() and json.loads(events[-1].content.parts[0].text) == data
    assert await talk.state() == {"city": data}


@pytest.mark.parametrize("place", ["root", "child"])
async def test_data_beside_transfer_targets_alone(chat, place):
    model = ScriptedModel([call("set_model_response", **CITY)])
    agent = Agent(name="a", model=model, output_schema=PydanticCity, output_key="city")
    other = Agent(name="b", model=model)
    if place == "root":
        root = Agent(name="a", model=model, output_schema=PydanticCity, output_key="city", sub_agents=[other])
    else:
        root = Agent(name="root", model=ScriptedModel([call("transfer_to_agent", agent_name="a")]), sub_agents=[agent])
    talk = chat(root)
    await talk.say()
    assert {"transfer_to_agent", "set_model_response"} == set(model.requests[0].tools_dict)
    assert await talk.state() == {"city": CITY}


@pytest.mark.parametrize("text", ["no JSON", '{"name": "Oslo"}', '{"name": "Oslo", "people": "many"}', "[]"])
@pytest.mark.parametrize("schema", OBJECTS, ids=lambda value: getattr(value, "__name__", None))
async def test_an_answer_that_does_not_fit_fails_the_run(chat, schema, text):
    talk = chat(Agent(name="a", model=ScriptedModel([text]), output_schema=schema, output_key="city"))
    error, events = await talk.fails(ModelError)
    assert "'a'" in str(error) and "output_schema" in str(error)
    assert events[-1].error_code == "ModelError"
    assert await talk.state() == {}


@pytest.mark.parametrize("schema", OBJECTS, ids=lambda value: getattr(value, "__name__", None))
async def test_a_wrong_call_for_the_answer_can_be_put_right(chat, seen, schema):
    wrong = call("set_model_response", name="Oslo")
    model = ScriptedModel([wrong, call("set_model_response", **CITY)])
    talk = chat(Agent(name="a", model=model, tools=[look], output_schema=schema, output_key="city"))
    await talk.say()
    told = model.requests[1].contents[-1].parts[0].function_response.response
    assert "people" in told["error"]
    assert await talk.state() == {"city": CITY}


async def test_a_model_that_gives_wrong_answers_again_and_again_fails_the_run(chat):
    model = ScriptedModel([call("set_model_response", name="Oslo")], repeat=True)
    talk = chat(Agent(name="a", model=model, tools=[look], output_schema=PydanticCity))
    error, _ = await talk.fails(ToolArgumentsError)
    assert "people" in str(error) and len(model.requests) == 4


def test_a_schema_that_cannot_be_shown_is_refused_when_the_agent_is_made():
    with pytest.raises(ConfigurationError, match="'a'"):
        Agent(name="a", model="m", output_schema=complex)
