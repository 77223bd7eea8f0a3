# SPDX-License-Identifier: Apache-2.0
"""AgentServer: an agent as the tool of an MCP server of the official SDK."""

import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any, cast

import msgspec
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.request_state import RequestStateSecurity, authenticated_principal
from mcp.server.stdio import stdio_server
from mcp.shared.exceptions import MCPError
from mcp_types import (
    Annotations,
    CallToolResult,
    ElicitRequest,
    ElicitResult,
    InputRequiredResult,
    TextContent,
    Tool,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from runwright import __version__, clock
from runwright.agent import BaseAgent
from runwright.app import App
from runwright.config import StreamingMode
from runwright.errors import AlreadyExistsError, RunwrightError, ToolArgumentsError, ToolExecutionError
from runwright.event import Event
from runwright.record import Record
from runwright.runner import Runner
from runwright.server.mcp.progress import Progress
from runwright.server.mcp.questions import Question, check_needs_no_credential, questions_in, takes_forms
from runwright.server.mcp.served import ServedAgent
from runwright.server.mcp.wire import Wire
from runwright.session import GetSessionConfig
from runwright.types import Content, FunctionCall

_logger = logging.getLogger(__name__)

_SESSION_KEY = "runwright/sessionId"
"""Under this name a result's ``_meta`` names its conversation."""

_ANSWER_SECONDS = 24 * 3600.0
"""How long the user has to answer a question, where the client comes again with the answer."""

_NO_FORMS = "The client cannot put questions to its user: it does not support elicitation."


class Serving:
    """What a server has while it runs.

    Attributes:
        own_session: The conversation of a client that is the only one, as over stdio.
    """

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self.own_session = clock.new_id()


class Paused(Record, kw_only=True):
    """What a client brings again with the user's answers; the SDK seals it, so that nobody can change it.

    Attributes:
        questions: The calls that ask.
    """

    user_id: str
    session_id: str
    questions: list[FunctionCall]


class AgentServer(MCPServer[Serving]):
    """An agent as the tool of an MCP server; ``to_mcp_server`` makes it and says what it does.

    Tools, resources and prompts of one's own may be added, as to any server of the SDK.
    """

    def __init__(
        self,
        agent: BaseAgent | App,
        *,
        name: str | None = None,
        instructions: str | None = None,
        runner: Runner | None = None,
        user_id: str = "mcp_user",
    ) -> None:
        self._app = agent if isinstance(agent, App) else None
        self._agent = agent.root_agent if isinstance(agent, App) else agent
        self._served = ServedAgent(self._agent, name or self._agent.name)
        self._runner = runner
        self._user_id = user_id
        super().__init__(
            name=self._served.name,
            instructions=instructions,
            version=__version__,
            log_level="WARNING",
            lifespan=self._running,
            subscriptions=False,
            request_state_security=RequestStateSecurity.ephemeral(ttl=_ANSWER_SECONDS),
        )

    async def list_tools(self) -> list[Tool]:
        return [self._served.tool, *await super().list_tools()]

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Serving, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        if name != self._served.name or context is None:
            return await super().call_tool(name, arguments, context)
        try:
            return await self._answer(arguments, context)
        except MCPError:
            raise
        except RunwrightError as error:
            return _failed(str(error))
        except Exception as error:  # whatever the agent's own code raises is told, without its traceback
            _logger.warning("The agent %r failed", self._agent.name, exc_info=True)
            return _failed(f"{type(error).__name__}: {error}")

    async def run_wire(self, wire: Wire) -> None:
        """Serves over two files in place of standard input and output, until the first one ends."""
        async with stdio_server(cast("Any", wire.lines()), cast("Any", wire)) as (read, write):
            await self._lowlevel_server.run(read, write, self._lowlevel_server.create_initialization_options())

    @asynccontextmanager
    async def _running(self, _server: MCPServer[Serving]) -> AsyncGenerator[Serving]:
        if self._runner is not None:
            yield Serving(self._runner)
            return
        made = Runner(app=self._app) if self._app is not None else Runner(agent=self._agent)
        async with made:
            yield Serving(made)

    # --- a call

    async def _answer(
        self, arguments: dict[str, Any], context: Context[Serving, Any]
    ) -> CallToolResult | InputRequiredResult:
        """Runs the agent, and puts its questions to the user until it has none."""
        message, named = self._served.read(arguments)
        runner = context.request_context.lifespan_context.runner
        if context.request_state is not None:
            paused = msgspec.json.decode(context.request_state, type=Paused)
            user_id, session_id, is_told = paused.user_id, paused.session_id, True
            message = _answered([Question(call) for call in paused.questions], context.input_responses or {})
        else:
            user_id, session_id, is_told = await self._conversation(context, named)
        progress = Progress(context)
        notes: list[str] = []
        while True:
            final = await self._run(runner, user_id, session_id, message, progress)
            questions = questions_in(final)
            if not questions:
                break
            check_needs_no_credential(questions)
            if not takes_forms(context.client_capabilities):
                message = _answered(questions, {}, _NO_FORMS)
                notes += [f"{question.about} was not allowed. {_NO_FORMS}" for question in questions]
            elif context.protocol_version in MODERN_PROTOCOL_VERSIONS:
                calls = [question.call for question in questions]
                paused = Paused(user_id=user_id, session_id=session_id, questions=calls)
                return InputRequiredResult(
                    input_requests={question.id: ElicitRequest(params=question.form()) for question in questions},
                    request_state=msgspec.json.encode(paused).decode(),
                )
            else:
                answers = {question.id: await _asked(question, context) for question in questions}
                message = _answered(questions, answers)
        result = self._served.result(final)
        result.content += [TextContent(text=note) for note in notes]
        if not is_told:
            hint = f"To go on with this conversation, call {self._served.name} with session_id {session_id!r}."
            result.content.append(TextContent(text=hint, annotations=Annotations(audience=["assistant"])))
        result.meta = {_SESSION_KEY: session_id}
        return result

    async def _run(
        self, runner: Runner, user_id: str, session_id: str, message: Content, progress: Progress
    ) -> list[Event]:
        """Runs a message, unless its client leaves; gives the events that say something at last."""
        config = runner.run_config
        if progress.is_wanted:
            config = config.model_copy(update={"streaming_mode": StreamingMode.SSE})
        # In a task of its own: the SDK cancels a request's task anew at each step, also of a clean-up.
        run = runner.run(
            agent=None if runner.agent is self._agent else self._agent,
            user_id=user_id,
            session_id=session_id,
            new_message=message,
            run_config=config,
        )
        final: list[Event] = []
        async with aclosing(cast("AsyncGenerator[Event, None]", aiter(run))) as events:
            async for event in events:
                await progress.tell(event)
                if event.author != "user" and event.is_final_response():
                    final.append(event)
        return final

    async def _conversation(self, context: Context[Serving, Any], named: str | None) -> tuple[str, str, bool]:
        """The user and the session of a call, and whether the client knows how to come back to it."""
        serving = context.request_context.lifespan_context
        request: Any = context.request_context.request
        principal = authenticated_principal(context.request_context)
        user_id = principal or self._user_id
        if named is not None:
            await self._find(serving.runner, user_id, named, may_make=request is None or principal is not None)
            return user_id, named, True
        if request is None:
            connection = serving.own_session
        elif context.protocol_version in MODERN_PROTOCOL_VERSIONS:
            connection = None
        else:  # what the SDK gave the connection, and has looked at
            connection = request.headers.get("mcp-session-id") or request.query_params.get("session_id")
        session_id = connection or clock.new_id()
        await self._find(serving.runner, user_id, session_id, may_make=True)
        return user_id, session_id, connection is not None

    async def _find(self, runner: Runner, user_id: str, session_id: str, *, may_make: bool) -> None:
        """Makes a session that is not there.

        Raises:
            ToolArgumentsError: It is not there, and may not be made.
        """
        key: dict[str, Any] = {"app_name": runner.app_name, "user_id": user_id, "session_id": session_id}
        service = runner.session_service
        if await service.get_session(**key, config=GetSessionConfig(num_recent_events=0)) is not None:
            return
        if not may_make:
            raise ToolArgumentsError(
                f"There is no conversation {session_id!r}: leave session_id out to begin one, its id comes with the "
                "answer"
            )
        with suppress(AlreadyExistsError):  # made meanwhile, by a call at the same time
            await service.create_session(**key)


async def _asked(question: Question, context: Context[Serving, Any]) -> ElicitResult:
    """Asks the user, on a connection of the protocol before 2026-07-28."""
    form = question.form()
    try:
        return await context.session.elicit_form(
            form.message, form.requested_schema, related_request_id=context.request_id
        )
    except MCPError as error:  # the client's word that nobody answers
        _logger.warning("The client did not ask its user: %s", error)
        return ElicitResult(action="cancel")


def _answered(questions: Sequence[Question], answers: Mapping[str, Any], why_not: str = "") -> Content:
    """The message with the user's answers; without one, a call that needs confirmation is not allowed.

    Raises:
        ToolExecutionError: A question was left without an answer that needs one.
    """
    parts = [question.answer(answers.get(question.id)) for question in questions]
    left = [question.text for question, part in zip(questions, parts, strict=True) if part is None]
    if left:
        raise ToolExecutionError(f"The agent needs an answer, and got none: {' '.join(left)} {why_not}".strip())
    return Content(role="user", parts=[part for part in parts if part is not None])


def _failed(message: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(text=message)], is_error=True)
