# SPDX-License-Identifier: Apache-2.0
"""Sessions in SQLite as they are read: what runs in a reader's thread."""

import itertools
import json
import sqlite3
from typing import Any, NamedTuple

from runwright.event import Event
from runwright.session import ListSessionsResponse, Session
from runwright.sessions.coding import Wanted, decode_each, decode_values
from runwright.sessions.sqlite import statements as sql
from runwright.state import merge

SEQ_BITS = 32
_LIST_CHUNK = 500
_USUAL_LENGTH = 38


class Names(NamedTuple):
    """What a session is known by."""

    app: str
    user: str
    session: str


class Revision(NamedTuple):
    """Which session a copy is of, and which versions of the shared state it shows."""

    store: str
    number: int
    app: int
    user: int
    app_version: int
    user_version: int


def packed_id(invocation_id: str) -> str | bytes:
    """An invocation id as the table of runs keeps it: the usual form, ``e-`` and a UUID, takes 16 bytes and not 38."""
    if len(invocation_id) != _USUAL_LENGTH or not invocation_id.startswith("e-"):
        return invocation_id
    try:
        packed = bytes.fromhex(invocation_id[2:].replace("-", ""))
    except ValueError:
        return invocation_id
    return packed if unpacked_id(packed) == invocation_id else invocation_id


def unpacked_id(stored: str | bytes) -> str:
    """What :func:`packed_id` was given."""
    if isinstance(stored, str):
        return stored
    digits = stored.hex()
    return f"e-{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def load(connection: sqlite3.Connection, names: Names, wanted: Wanted) -> Session | None:
    """A session with the events that are wanted; None where there is none."""
    row = connection.execute(sql.READ_SESSION, (names.user, names.session, names.app)).fetchone()
    if row is None:
        return None
    store, number, app, user, app_version, user_version, head, update_time = row
    own = dict(connection.execute(sql.STATE_OF_SESSION, (number,)))
    of_app = dict(connection.execute(sql.STATE_OF_APP, (app, 0))) if app_version else {}
    of_user = dict(connection.execute(sql.STATE_OF_USER, (user, 0))) if user_version else {}
    return Session(
        id=names.session,
        app_name=names.app,
        user_id=names.user,
        state=merge(decode_values(of_app), decode_values(of_user), decode_values(own)),
        events=_events(connection, number, head, wanted, f"session {names.session!r}"),
        last_update_time=update_time,
        seq=head,
        revision=Revision(store, number, app, user, app_version, user_version),
    )


def _events(connection: sqlite3.Connection, number: int, head: int, wanted: Wanted, place: str) -> list[Event]:
    first, since, newest = wanted.after, wanted.since, wanted.newest
    if newest is not None and since is None:
        first = max(first, head - newest)
    if first >= head or newest == 0:
        return []
    start = number << SEQ_BITS
    query = sql.EVENTS if since is None or newest is None else sql.EVENTS_NEWEST_FIRST
    events = decode_each((data for (data,) in connection.execute(query, (start + first, start + head))), place)
    if since is None:
        return list(events)
    # Times order nothing: each event has to be looked at, the newest ones first where so many are enough.
    found = [*itertools.islice((event for event in events if event.timestamp >= since), newest)]
    return found if newest is None else found[::-1]


def list_page(
    connection: sqlite3.Connection, app_name: str, user_id: str | None, *, after: int, size: int | None
) -> ListSessionsResponse:
    """The sessions after a number: a page of them, or all."""
    sessions: list[Session] = []
    app = connection.execute(sql.FIND_APP, (app_name,)).fetchone()
    if app is None:
        return ListSessionsResponse()
    owner = app if user_id is None else connection.execute(sql.FIND_USER, (*app, user_id)).fetchone()
    if owner is None:
        return ListSessionsResponse()
    query = sql.LIST_OF_APP if user_id is None else sql.LIST_OF_USER
    store: str = connection.execute(sql.STORE_ID).fetchone()[0]
    app_version: int = connection.execute(sql.APP_VERSION, app).fetchone()[0]
    of_app = decode_values(dict(connection.execute(sql.STATE_OF_APP, (*app, 0)))) if app_version else {}
    while size is None or len(sessions) < size:
        chunk = _LIST_CHUNK if size is None else min(_LIST_CHUNK, size - len(sessions))
        rows = connection.execute(query, (*owner, after, chunk)).fetchall()
        own = _states(connection, sql.STATE_OF_SESSIONS, {row[0] for row in rows})
        of_users = _states(connection, sql.STATE_OF_USERS, {row[3] for row in rows if row[4]})
        for number, session_id, of_user, user, user_version, head, update_time in rows:
            state = merge(of_app, decode_values(of_users.get(user, {})), decode_values(own.get(number, {})))
            sessions.append(
                Session(
                    id=session_id,
                    app_name=app_name,
                    user_id=of_user,
                    state=state,
                    last_update_time=update_time,
                    seq=head,
                    revision=Revision(store, number, app[0], user, app_version, user_version),
                )
            )
            after = number
        if len(rows) < chunk:
            return ListSessionsResponse(sessions=sessions)
    more = connection.execute(query, (*owner, after, 1)).fetchone()
    return ListSessionsResponse(sessions=sessions, next_page_token=str(after) if more else None)


def _states(connection: sqlite3.Connection, query: str, numbers: set[int]) -> dict[int, dict[str, str]]:
    states: dict[int, dict[str, str]] = {}
    if numbers:
        for number, key, value in connection.execute(query, (json.dumps(sorted(numbers)),)):
            states.setdefault(number, {})[key] = value
    return states


def user_state(connection: sqlite3.Connection, app_name: str, user_id: str) -> dict[str, Any]:
    """What the sessions of a user share."""
    app = connection.execute(sql.FIND_APP, (app_name,)).fetchone()
    user = app and connection.execute(sql.FIND_USER, (*app, user_id)).fetchone()
    return decode_values(dict(connection.execute(sql.STATE_OF_USER, (*user, 0)))) if user else {}


def find(connection: sqlite3.Connection, names: Names) -> int | None:
    """The number of a session."""
    row = connection.execute(sql.FIND_SESSION, (names.user, names.session, names.app)).fetchone()
    return None if row is None else row[0]
