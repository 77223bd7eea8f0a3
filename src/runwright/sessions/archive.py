# SPDX-License-Identifier: Apache-2.0
"""A session as JSON lines, on its way out of one store and into another.

The first line is a header: the format's name and version, whose session it is, how many events follow, and its state.
Then comes one event a line, in the wire form that ADK's clients know.
"""

import asyncio
import tempfile
from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from contextlib import aclosing, closing, suppress
from typing import IO, Any

import msgspec

from runwright.errors import InputValidationError, RunwrightError, SessionNotFoundError
from runwright.event import Event
from runwright.session import BaseSessionService, GetSessionConfig, Session
from runwright.state import APP_PREFIX, USER_PREFIX, without_temp

FORMAT = "runwright.session-archive"
VERSION = 1
_HELD_BYTES = 8_000_000
"""How much of an archive is held in memory while it is checked; a larger one waits in a temporary file."""


class _Header(msgspec.Struct, rename="camel", kw_only=True):
    format: str
    version: int
    app_name: str
    user_id: str
    id: str
    events: int
    state: dict[str, Any] = {}


_decode_header = msgspec.json.Decoder(_Header).decode


async def export_session(
    service: BaseSessionService, *, app_name: str, user_id: str, session_id: str
) -> AsyncGenerator[str, None]:
    """The lines of a session, without their newlines.

    It is the session as it stands when this begins, with the state of its user and app as it shows them.

    Raises:
        SessionNotFoundError: There is no such session.
    """
    session = await service.get_session(app_name=app_name, user_id=user_id, session_id=session_id)
    if session is None:
        raise SessionNotFoundError(f"User {user_id!r} of app {app_name!r} has no session {session_id!r}")
    header = _Header(
        format=FORMAT,
        version=VERSION,
        app_name=app_name,
        user_id=user_id,
        id=session.id,
        events=len(session.events),
        state=dict(sorted(without_temp(session.state).items())),  # stores keep keys in orders of their own
    )
    yield msgspec.json.encode(header).decode()
    for event in session.events:
        yield event.model_dump_json(by_alias=True, exclude_none=True)


async def import_session(
    service: BaseSessionService,
    lines: AsyncIterable[str | bytes] | Iterable[str | bytes],
    *,
    app_name: str | None = None,
    user_id: str | None = None,
    session_id: str | None = None,
) -> Session:
    """Makes a session of the lines that :func:`export_session` gave.

    Its events keep their order, ids and times. Nothing is written before all lines were read and found sound. State of
    the user or the app that is there already stays as it is, whatever the events say of it; what is not there is taken
    from the archive. No run of the user should be writing such state meanwhile.

    Args:
        lines: With or without their newlines; blank ones are passed over.
        app_name: The app to put it in, in place of the one that it is of; so with ``user_id`` and ``session_id``.

    Returns:
        The session as it is stored, without its events.

    Raises:
        AlreadyExistsError: The id is taken.
        InputValidationError: It is no archive, or a damaged or a truncated one; the message names the line.
    """
    with closing(tempfile.SpooledTemporaryFile(_HELD_BYTES)) as sound:
        header = await _check(lines, sound)
        own = {key: value for key, value in header.state.items() if not _is_shared(key)}
        session = await service.create_session(
            app_name=app_name if app_name is not None else header.app_name,
            user_id=user_id if user_id is not None else header.user_id,
            session_id=session_id or header.id,
            state=own,
        )
        before = _shared(session.state)
        try:
            for data in sound:
                await service.append_event(session, Event.model_validate_json(data))
                session.events.clear()  # the copy need not hold them
            await _put_shared(service, session, _shared(header.state) | before)
        except BaseException:
            with suppress(RunwrightError):
                await asyncio.shield(_take_back(service, session, before))
            raise
    return await _stored(service, session)


async def _check(lines: AsyncIterable[str | bytes] | Iterable[str | bytes], sound: IO[bytes]) -> _Header:
    """Reads an archive to its end, and writes its events down."""
    header: _Header | None = None
    number = count = 0
    async with aclosing(_each(lines)) as source:
        async for line in source:
            number += 1
            text = line.encode() if isinstance(line, str) else bytes(line)
            if not (text := text.strip()):
                continue
            if header is None:
                header = _read_header(text, number)
                continue
            count += 1
            try:
                Event.model_validate_json(text)
            except (InputValidationError, UnicodeDecodeError) as error:
                raise InputValidationError(f"Line {number} of the archive is no event: {error}") from error
            sound.write(text + b"\n")
    if header is None:
        raise InputValidationError("The archive is empty")
    if count != header.events:
        raise InputValidationError(
            f"The archive is not whole: its header says that {header.events} events follow, and there are {count}"
        )
    sound.seek(0)
    return header


def _read_header(text: bytes, number: int) -> _Header:
    try:
        header = _decode_header(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputValidationError(f"Line {number} is not the header of a session archive: {error}") from error
    if header.format != FORMAT or header.version != VERSION:
        raise InputValidationError(
            f"This version reads {FORMAT} {VERSION}, and the archive is {header.format} {header.version}"
        )
    return header


async def _each(lines: AsyncIterable[str | bytes] | Iterable[str | bytes]) -> AsyncGenerator[str | bytes, None]:
    if isinstance(lines, AsyncIterable):
        async for line in lines:
            yield line
    else:
        for line in lines:
            yield line


def _is_shared(key: str) -> bool:
    return key.startswith((APP_PREFIX, USER_PREFIX))


def _shared(state: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in state.items() if _is_shared(key)}


async def _put_shared(service: BaseSessionService, session: Session, wanted: dict[str, Any]) -> None:
    """Sets state of the user and the app, by way of a session that is made for it: state outlives its session."""
    shown = session.state
    changed = {key: value for key, value in wanted.items() if key not in shown or shown[key] != value}
    if changed:
        made = await service.create_session(app_name=session.app_name, user_id=session.user_id, state=changed)
        await service.delete_session(app_name=made.app_name, user_id=made.user_id, session_id=made.id)


async def _take_back(service: BaseSessionService, session: Session, before: dict[str, Any]) -> None:
    await service.delete_session(app_name=session.app_name, user_id=session.user_id, session_id=session.id)
    await _put_shared(service, session, before)


async def _stored(service: BaseSessionService, session: Session) -> Session:
    stored = await service.get_session(
        app_name=session.app_name,
        user_id=session.user_id,
        session_id=session.id,
        config=GetSessionConfig(num_recent_events=0),
    )
    if stored is None:
        raise SessionNotFoundError(f"Session {session.id!r} was deleted while it was imported")
    return stored
