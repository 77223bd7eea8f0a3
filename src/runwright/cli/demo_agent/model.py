# SPDX-License-Identifier: Apache-2.0
"""A model that needs no provider: rules that pick tools from the question and make an answer of what the tools say."""

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from runwright.cli.demo_agent import answers
from runwright.cli.demo_agent.queries import Plan, plan_for
from runwright.cli.demo_agent.questions import Part, parts_of
from runwright.model import BaseLlm, LlmRequest, LlmResponse
from runwright.types import (
    Content,
    FinishReason,
    FunctionCall,
    GenerateContentResponseUsageMetadata,
    Tool,
    text_of,
)
from runwright.types import Part as ContentPart

_CHARACTERS_PER_TOKEN = 4
_GREETING = (
    "I am the demo's agent: a few rules in place of a model, with real tools. I can search documents, query a database "
    "(reading only) and tell the time around the world. Ask, for example: *what time is it in Tokyo?*"
)


class OfflineModel(BaseLlm):
    """Answers questions with the demo's tools, by rule. The same request is answered the same way each time.

    Attributes:
        pace: Seconds between the words of an answer that is streamed.
    """

    model: str = "offline-rules"
    pace: float = 0.0

    async def generate_content_async(
        self, llm_request: LlmRequest, stream: bool = False
    ) -> AsyncGenerator[LlmResponse, None]:
        """Calls tools, or answers from what they said; where chunks are asked for, word by word and then the whole."""
        answer = _reply(llm_request)
        usage = _usage(llm_request, answer)
        if isinstance(answer, str):
            if stream:
                for chunk in re.findall(r"\s*\S+\s*", answer):
                    yield LlmResponse(partial=True, content=Content(role="model", parts=[ContentPart(text=chunk)]))
                    await asyncio.sleep(self.pace)
            parts = [ContentPart(text=answer)]
        else:
            parts = [ContentPart(function_call=call) for call in answer]
        yield LlmResponse(
            content=Content(role="model", parts=parts),
            model_version=self.model,
            finish_reason=FinishReason.STOP,
            usage_metadata=usage,
        )


@dataclass(slots=True)
class _Desk:
    """What lies before the model: the question, what was asked before it, and what the tools have said so far."""

    tools: frozenset[str]
    question: str = ""
    before: list[str] = field(default_factory=list[str])
    results: dict[bytes, dict[str, Any]] = field(default_factory=dict[bytes, dict[str, Any]])
    tables: dict[str, Any] | None = None
    wanted: list[FunctionCall] = field(default_factory=list[FunctionCall])

    def ask(self, name: str, **args: Any) -> dict[str, Any] | None:
        """Give what a tool answered; None where it must be called first, which is then wanted."""
        if name not in self.tools:
            return {"error": f"there is no tool {name} here"}
        found = self.results.get(_key(name, args))
        if found is None and not any(_key(call.name, call.args) == _key(name, args) for call in self.wanted):
            self.wanted.append(FunctionCall(name=name, args=args))
        return found

    def list_tables(self) -> dict[str, Any] | None:
        """Give the tables: a schema stays what it is, and is asked for once in a session."""
        return self.tables or self.ask("list_tables")


def _reply(request: LlmRequest) -> list[FunctionCall] | str:
    desk = _read(request)
    said = [_HANDLERS[part.kind](desk, part) for part in parts_of(desk.question, desk.before)]
    if desk.wanted:
        return desk.wanted
    return "\n\n".join(dict.fromkeys(answer for answer in said if answer)) or "I have nothing to say to that."


def _read(request: LlmRequest) -> _Desk:
    desk = _Desk(frozenset(request.tools_dict))
    calls: list[FunctionCall] = []
    for content in request.contents:
        text = text_of(content)
        if content.role == "user" and text.strip():
            if desk.question:
                desk.before.append(desk.question)
            desk.question = text.strip()
            desk.results.clear()
        for part in content.parts or ():
            if (call := part.function_call) is not None:
                calls.append(call)
            elif (response := part.function_response) is not None:
                # Responses come in the order of the calls; ids are not shown to models that do not ask for them.
                call = next(call for call in calls if (call.id, call.name) == (response.id, response.name))
                calls.remove(call)
                result = response.response or {}
                desk.results[_key(call.name, call.args)] = result
                if call.name == "list_tables" and "tables" in result:
                    desk.tables = result
    return desk


def _key(name: str | None, args: dict[str, Any] | None) -> bytes:
    return msgspec.json.encode([name, args or {}], order="sorted")


# --- one part of a question each


def _talk(_desk: _Desk, _part: Part) -> str | None:
    return _GREETING


def _clock(desk: _Desk, part: Part) -> str | None:
    places = part.places or ((named[1].strip(),) if (named := _PLACE.search(part.text)) else ("UTC",))
    results = [result for place in places[:6] if (result := desk.ask("world_clock", place=place)) is not None]
    return None if desk.wanted else answers.from_clocks(results, compare=bool(_DIFFERENCE.search(part.text)))


_PLACE = re.compile(r"\b(?:in|at|for)\s+([^,?]+)$", re.IGNORECASE)
_DIFFERENCE = re.compile(r"\b(?:differen\w+|apart|ahead|behind|between|compared|hours? from)\b", re.IGNORECASE)


def _documents(desk: _Desk, part: Part) -> str | None:
    """Search the documents, and ask the database where they hold only some of the words."""
    if "search_documents" not in desk.tools:
        return _data(desk, part) if "query_database" in desk.tools else _GREETING
    found = desk.ask("search_documents", query=part.query)
    if found is None:
        return None
    if answers.coverage(found) <= answers.ENOUGH and "query_database" in desk.tools:
        plan, result = _queried(desk, part)
        if desk.wanted or (plan is not None and plan.sql and result is not None and not answers.is_empty(result, plan)):
            return None if result is None else answers.from_query(result, plan)
    return answers.from_search(found, part.added)


def _data(desk: _Desk, part: Part) -> str | None:
    """Ask the database, and search the documents where it does not know."""
    if "query_database" not in desk.tools:
        return _documents(desk, part)
    plan, result = _queried(desk, part)
    if desk.wanted:
        return None
    if "search_documents" in desk.tools and (plan is None or result is None or answers.is_empty(result, plan)):
        found = desk.ask("search_documents", query=part.query)
        if found is None:
            return None
        if plan is None or answers.coverage(found) > answers.ENOUGH:
            return answers.from_search(found, part.added)
    if plan is None:
        listed = desk.list_tables() or {}
        return answers.from_tables(listed) if "error" in listed else answers.not_there(listed)
    return answers.unclear(plan) if result is None else answers.from_query(result, plan)


def _queried(desk: _Desk, part: Part) -> tuple[Plan | None, dict[str, Any] | None]:
    """Plan a query and run it. What must be asked first is wanted then, and there is no result yet."""
    listed = desk.list_tables()
    plan = plan_for(part.query, listed.get("tables", ())) if listed is not None else None
    return plan, desk.ask("query_database", sql=plan.sql) if plan is not None and plan.sql else None


def _files(desk: _Desk, part: Part) -> str | None:
    if "list_documents" not in desk.tools:
        return _documents(desk, part)
    result = desk.ask("list_documents")
    return None if result is None else answers.from_files(result)


def _tables(desk: _Desk, part: Part) -> str | None:
    if "list_tables" not in desk.tools:
        return _documents(desk, part)
    result = desk.list_tables()
    return None if result is None else answers.from_tables(result)


def _sql(desk: _Desk, part: Part) -> str | None:
    if "query_database" not in desk.tools:
        return "There is no database here to query: name one with --database."
    result = desk.ask("query_database", sql=part.text)
    return None if result is None else answers.from_query(result)


_HANDLERS: dict[str, Callable[[_Desk, Part], str | None]] = {
    "clock": _clock,
    "data": _data,
    "documents": _documents,
    "files": _files,
    "sql": _sql,
    "tables": _tables,
    "talk": _talk,
}


# --- usage


def _usage(request: LlmRequest, answer: Sequence[FunctionCall] | str) -> GenerateContentResponseUsageMetadata:
    """Tokens as a provider would count them, estimated from the lengths of all that it would be sent."""
    instruction = request.config.system_instruction
    shown = [tool for tool in request.config.tools or () if isinstance(tool, Tool)]
    read = _tokens(instruction if isinstance(instruction, str) else "") + _tokens(msgspec.json.encode(shown))
    read += sum(_tokens(msgspec.json.encode(part)) for content in request.contents for part in content.parts or ())
    said = _tokens(answer if isinstance(answer, str) else msgspec.json.encode(answer))
    return GenerateContentResponseUsageMetadata(
        prompt_token_count=read, candidates_token_count=said, total_token_count=read + said
    )


def _tokens(text: str | bytes) -> int:
    return -(-len(text) // _CHARACTERS_PER_TOKEN)
