# SPDX-License-Identifier: Apache-2.0
"""The stores that are measured, ours and the peers', each behind the same few methods.

Imports the standard library only, and the library of a store when it is opened: each runs in its own interpreter.
"""

import gc
import importlib
import os
from collections.abc import Iterable
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.cases import ANSWER, APP, QUESTION, USER, Bench
from benchmarks.peers import OURS

POSTGRES = "RUNWRIGHT_BENCH_POSTGRES"
"""The environment variable that names the database which the stores in PostgreSQL use."""


def answer_blindly(bench: Bench, request: Any) -> Iterable[Any]:
    yield bench.text(ANSWER)


class AdkStore:
    """A session service of Runwright or google-adk, with a runner and an agent of the same library.

    Args:
        library: Whose.
        service: Module and name of the service's class.
        target: What the service is given: a template, to be filled with the `folder`.
        options: Further arguments of the service.
    """

    def __init__(self, library: str, service: str, target: str, **options: Any) -> None:
        self.library, self.options, self._target = library, options, target
        self._module, _, self._name = service.rpartition(".")

    def service_in(self, folder: Path) -> Any:
        """Makes a service: one more on the same data, where there is one already."""
        target = os.environ[POSTGRES] if self._target == POSTGRES else self._target.format(folder=folder)
        return getattr(importlib.import_module(self._module), self._name)(target, **self.options)

    async def open(self, folder: Path, answer: Any = answer_blindly, tools: Iterable[Any] = ()) -> None:
        self.folder = folder
        self.bench = Bench(self.library, answer, tools=tools, service=self.service_in(folder))

    async def create(self, session: str) -> None:
        await self.bench.create(session)

    async def turns(self, session: str, number: int) -> None:
        await self.bench.turns(session, number)

    async def lengthen(self, session: str, number: int) -> None:
        await self.bench.lengthen(session, number)

    async def close(self) -> None:
        await self.bench.runner.close()
        await close(self.bench.service)

    async def load(self, session: str, *, new: bool) -> tuple[float, int]:
        """Reads a whole session; returns the seconds, and how many events it holds.

        Args:
            session: Which one.
            new: Whether by a new service, whose opening counts, or by the one that is open, which keeps nothing.
        """
        gc.collect()
        started = perf_counter()
        service = self.service_in(self.folder) if new else self.bench.service
        try:
            number = len(await self.events(session, service))
            return perf_counter() - started, number
        finally:
            if new:
                await close(service)

    async def events(self, session: str, service: Any = None) -> Any:
        stored = await (service or self.bench.service).get_session(app_name=APP, user_id=USER, session_id=session)
        return stored.events

    def as_json(self, event: Any) -> bytes:
        """An event in the JSON form that its library gives it, without what is default."""
        if self.library == OURS:
            return self.as_stored(event).encode()
        return event.model_dump_json(by_alias=True, exclude_none=True, exclude_defaults=True).encode()

    def as_stored(self, event: Any) -> str:
        """An event of ours as its stores keep it."""
        from runwright.sessions.coding import encode_event

        return encode_event(event).decode()


async def close(service: Any) -> None:
    """Closes a service that can be closed."""
    if hasattr(service, "close"):
        await service.close()


class LangGraphStore:
    """A graph of one node, its messages kept by LangGraph's AsyncSqliteSaver."""

    async def open(self, folder: Path) -> None:
        from langchain_core.messages import AIMessage
        from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
        from langgraph.graph import START, MessagesState, StateGraph

        async def answer(state: Any) -> Any:
            return {"messages": [AIMessage(ANSWER)]}

        self._saver = AsyncSqliteSaver
        self._graph = StateGraph(MessagesState).add_node("assistant", answer).add_edge(START, "assistant")
        self._path = str(folder / "sessions.db")
        self._opened = AsyncSqliteSaver.from_conn_string(self._path)
        self._compiled = self._graph.compile(checkpointer=await self._opened.__aenter__())

    async def create(self, session: str) -> None:
        """Sessions are made by their first turn."""

    async def turns(self, session: str, number: int) -> None:
        message = {"messages": [{"role": "user", "content": QUESTION}]}
        for _ in range(number):
            state = await self._compiled.ainvoke(message, {"configurable": {"thread_id": session}})
            if state["messages"][-1].content != ANSWER:
                raise RuntimeError(f"a turn ended with {state!r} in place of the scripted answer")

    lengthen = turns

    async def load(self, session: str, *, new: bool) -> tuple[float, int]:
        gc.collect()
        started = perf_counter()
        config = {"configurable": {"thread_id": session}}
        if not new:
            state = await self._compiled.aget_state(config)
            return perf_counter() - started, len(state.values["messages"])
        async with self._saver.from_conn_string(self._path) as saver:
            state = await self._graph.compile(checkpointer=saver).aget_state(config)
            return perf_counter() - started, len(state.values["messages"])

    async def close(self) -> None:
        await self._opened.__aexit__(None, None, None)


class AgnoStore:
    """An agent of agno that is shown the whole history, with agno's SqliteDb."""

    async def open(self, folder: Path) -> None:
        from agno.agent import Agent
        from agno.db.sqlite import SqliteDb
        from agno.models.base import Model
        from agno.models.response import ModelResponse

        class ScriptedModel(Model):
            def invoke(self, *args: Any, **options: Any) -> Any:
                return ModelResponse(role="assistant", content=ANSWER)

            async def ainvoke(self, *args: Any, **options: Any) -> Any:
                return ModelResponse(role="assistant", content=ANSWER)

            def invoke_stream(self, *args: Any, **options: Any) -> Any:
                raise NotImplementedError("nothing is streamed here")

            ainvoke_stream = _parse_provider_response = _parse_provider_response_delta = invoke_stream

        self._db = SqliteDb(db_file=str(folder / "sessions.db"))
        self._agent = Agent(
            model=ScriptedModel(id="scripted"), db=self._db, add_history_to_context=True, num_history_runs=1_000_000,
            telemetry=False,
        )  # fmt: skip

    async def create(self, session: str) -> None:
        """Sessions are made by their first turn."""

    async def turns(self, session: str, number: int) -> None:
        for _ in range(number):
            answered = await self._agent.arun(QUESTION, user_id=USER, session_id=session)
            if answered.content != ANSWER:
                raise RuntimeError(f"a turn ended with {answered!r} in place of the scripted answer")

    lengthen = turns

    async def load(self, session: str, *, new: bool) -> tuple[float, int]:
        from agno.db.base import SessionType
        from agno.db.sqlite import SqliteDb

        gc.collect()
        started = perf_counter()
        database = SqliteDb(db_file=self._db.db_file) if new else self._db
        stored = database.get_session(session_id=session, session_type=SessionType.AGENT, user_id=USER)
        return perf_counter() - started, 2 * len(stored.runs)

    async def close(self) -> None:
        """Nothing is kept open."""


_SESSIONS = "runwright.sessions"
_ADK = "google.adk.sessions"
SQLITE, FULL, FILE, IN_POSTGRES = f"{OURS} sqlite", f"{OURS} full", f"{OURS} file", f"{OURS} postgres"
FLOOR = "floor"
"""No store: the statements of ours, written by hand."""
ADK_DATABASE, ADK_SQLITE = "google-adk DatabaseSessionService", "google-adk SqliteSessionService"
LANGGRAPH, AGNO = "LangGraph AsyncSqliteSaver", "agno SqliteDb"
STORES: dict[str, Any] = {
    SQLITE: lambda: AdkStore(OURS, f"{_SESSIONS}.sqlite.SqliteSessionService", "{folder}/sessions.db"),
    FULL: lambda: AdkStore(
        OURS, f"{_SESSIONS}.sqlite.SqliteSessionService", "{folder}/sessions.db", durability="full"
    ),
    FILE: lambda: AdkStore(OURS, f"{_SESSIONS}.file.FileSessionService", "{folder}/sessions"),
    IN_POSTGRES: lambda: AdkStore(OURS, f"{_SESSIONS}.postgres.PostgresSessionService", POSTGRES),
    ADK_DATABASE: lambda: AdkStore(
        "google-adk", f"{_ADK}.database_session_service.DatabaseSessionService",
        "sqlite+aiosqlite:///{folder}/sessions.db",
    ),
    ADK_SQLITE: lambda: AdkStore(
        "google-adk", f"{_ADK}.sqlite_session_service.SqliteSessionService", "{folder}/sessions.db"
    ),
    LANGGRAPH: LangGraphStore,
    AGNO: AgnoStore,
}  # fmt: skip
