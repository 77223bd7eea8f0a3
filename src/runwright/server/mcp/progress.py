# SPDX-License-Identifier: Apache-2.0
"""How far a run is, for a client that wants to know."""

from typing import Any

import msgspec
from mcp.server.mcpserver import Context

from runwright.event import Event
from runwright.invocation import CALLS_TO_USER
from runwright.types import text_of


class Progress:
    """Tells a client what the agent says as it is written, which tools it calls, and what those report.

    Each notification counts one up; there is no total. Texts joined are what the agent says.

    Args:
        context: The client's request.
    """

    def __init__(self, context: Context[Any, Any]) -> None:
        self.is_wanted = (context.request_context.meta or {}).get("progress_token") is not None
        """Whether the client asked for it."""
        self._context = context
        self._count = 0
        self._was_streamed = False

    async def tell(self, event: Event) -> None:
        """Tells of an event."""
        if not self.is_wanted or event.author == "user":
            return
        said = "" if self._was_streamed and not event.partial else text_of(event.content)
        self._was_streamed = bool(event.partial) and (self._was_streamed or bool(said))
        calls = () if event.partial else event.get_function_calls()
        reports = event.get_function_responses() if event.partial else ()
        messages = [said]
        messages.extend(f"Calls {call.name}" for call in calls if call.name not in CALLS_TO_USER)
        messages.extend(f"{one.name}: {msgspec.json.encode(one.response or {}).decode()}" for one in reports)
        for message in messages:
            if message:
                self._count += 1
                await self._context.report_progress(self._count, message=message)
