# SPDX-License-Identifier: Apache-2.0
"""Recording: what is heard and said in a live run, kept as artifacts."""

from collections.abc import AsyncGenerator
from typing import Literal

from runwright import clock
from runwright.errors import ConfigurationError
from runwright.event import Event, EventActions
from runwright.flow.history import RECORDING_URI
from runwright.invocation import InvocationContext
from runwright.types import Blob, Content, FileData, Part

MAX_BYTES = 32 * 1024 * 1024
"""How much of one turn is held in memory before it is saved: about 16 minutes of speech at 16 kHz."""

Direction = Literal["input", "output"]


def is_recording(event: Event) -> bool:
    """Whether an event tells of a recording."""
    parts = event.content.parts if event.content is not None else None
    file = parts[0].file_data if parts else None
    return file is not None and (file.file_uri or "").startswith(RECORDING_URI)


class Recording:
    """Collects audio and video as they come, and saves each turn's as one file for each kind.

    Raises:
        ConfigurationError: There is no artifact service.
    """

    def __init__(self, ctx: InvocationContext) -> None:
        if ctx.artifact_service is None:
            raise ConfigurationError(
                "RunConfig.save_live_blob needs an artifact service: give the runner one, Runner(artifact_service=...)"
            )
        self._ctx = ctx
        self._service = ctx.artifact_service
        self._chunks: dict[tuple[Direction, str], list[bytes]] = {}
        self._size = 0

    def add(self, direction: Direction, blob: Blob | None) -> None:
        """Takes what was heard or said. What goes over the limit of one turn is left out."""
        if blob is None or not blob.data or self._size + len(blob.data) > MAX_BYTES:
            return
        self._size += len(blob.data)
        self._chunks.setdefault((direction, blob.mime_type or "audio/pcm"), []).append(blob.data)

    async def events(self, agent_name: str) -> AsyncGenerator[Event, None]:
        """Saves what was collected, and gives the events that tell of it: the user's, then the agent's."""
        chunks, self._chunks, self._size = self._chunks, {}, 0
        for (direction, mime_type), data in sorted(chunks.items()):
            yield await self._saved(direction, mime_type, b"".join(data), agent_name)

    async def _saved(self, direction: Direction, mime_type: str, data: bytes, agent_name: str) -> Event:
        ctx = self._ctx
        kind, _, form = mime_type.partition(";")[0].partition("/")
        name = f"live_{kind}_{direction}_{clock.new_id()}.{form or 'bin'}"
        version = await self._service.save_artifact(
            app_name=ctx.app_name,
            user_id=ctx.user_id,
            session_id=ctx.session.id,
            filename=name,
            artifact=Part(inline_data=Blob(data=data, mime_type=mime_type)),
        )
        uri = f"{RECORDING_URI}{ctx.app_name}/{ctx.user_id}/{ctx.session.id}/{name}#{version}"
        is_input = direction == "input"
        return Event(
            invocation_id=ctx.invocation_id,
            author="user" if is_input else agent_name,
            branch=ctx.branch,
            content=Content(
                role="user" if is_input else "model",
                parts=[Part(file_data=FileData(file_uri=uri, mime_type=mime_type, display_name=name))],
            ),
            actions=EventActions(artifact_delta={name: version}),
        )
