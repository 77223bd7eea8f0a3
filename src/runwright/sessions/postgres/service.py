# SPDX-License-Identifier: Apache-2.0
"""Sessions in PostgreSQL: many processes and machines on one store, one round trip an append."""

import secrets
from collections.abc import Collection
from typing import Any, get_args

from runwright import clock
from runwright.durable import CallRecord, DurableSessionService, RunRecord, RunStatus
from runwright.errors import AlreadyExistsError, ConfigurationError, CorruptedDataError, LeaseLostError
from runwright.event import Event
from runwright.session import GetSessionConfig, ListSessionsResponse, Session
from runwright.sessions.coding import (
    decode_call,
    decode_events,
    decode_values,
    encode_call,
    encode_state,
    read_config,
    read_page,
)
from runwright.sessions.postgres import statements as sql
from runwright.sessions.postgres.copies import (
    Revision,
    copy_of,
    shown_name,
    shown_state,
    state_parameters,
    stored_name,
    stored_names,
)
from runwright.sessions.postgres.log import Log, encoded_write, known_revision
from runwright.sessions.postgres.news import News
from runwright.sessions.postgres.writer import Writer
from runwright.storage.postgres import PostgresDatabase
from runwright.storage.postgres_driver import Connection
from runwright.storage.writers import Lease

_STATUSES: tuple[RunStatus, ...] = get_args(RunStatus)
_OPEN = frozenset({"running", "paused"})


class PostgresSessionService(DurableSessionService):
    """Keeps sessions in a PostgreSQL database (14 or newer), in tables of its own named ``runwright_*``.

    Event loops, threads, processes and machines may share one database, and loops and threads one service. An append is
    one statement: one round trip, one commit. When the server is restarted, operations wait for it; one that was cut
    off in the middle is looked for before it is repeated, so nothing is stored twice.

    Args:
        url: ``postgresql://user:password@host:port/database``.
        lease_seconds: After how long without a sign of life a writer on another machine is taken for gone.
        max_connections: How many connections an event loop has at the most.

    Raises:
        ConfigurationError: The URL is not that of a PostgreSQL, or an argument is not what it may be.
        MissingDependencyError: The extra ``postgres`` is not installed.
    """

    def __init__(self, url: str, *, lease_seconds: float = 15.0, max_connections: int = 10) -> None:
        if lease_seconds <= 0:
            raise ConfigurationError(f"lease_seconds is {lease_seconds}: give more than 0")
        self._database = PostgresDatabase(url, schema="sessions", max_size=max_connections)
        self._writer = Writer(self._database, lease_seconds)
        self._log = Log(self._database, self._writer)
        self._news = News(self._database)

    # --- sessions -----------------------------------------------------------------------------------------------------

    async def create_session(
        self, *, app_name: str, user_id: str, state: dict[str, Any] | None = None, session_id: str | None = None
    ) -> Session:
        delta = encode_state(state)
        session_id = (session_id or "").strip() or clock.new_id()
        app, user, name = stored_names(app_name, user_id, session_id)
        token = secrets.randbits(63)
        given = {"app_name": app, "user_id": user, "id": name, "token": token, "now": clock.now()}
        values = sql.CREATE.values({**given, **state_parameters(delta)})

        async def create(connection: Connection) -> bool:
            for _ in range(2):
                if await connection.fetchval(sql.CREATE.text, *values) is not None:
                    return True
                # The id is taken, or it is the first session of the user: only then the scopes are looked at.
                await connection.execute(sql.MAKE_SCOPES, app, user)
            return False

        is_made = await self._database.run(create)
        session = await self.get_session(app_name=app_name, user_id=user_id, session_id=session_id)
        # One that was made before the connection broke, and then found, has our token.
        if session is None or not (is_made or session.revision.token == token):
            raise AlreadyExistsError(
                f"User {user_id!r} of app {app_name!r} has a session {session_id!r} already: "
                "read it with get_session, or choose another id"
            )
        return session

    async def get_session(
        self, *, app_name: str, user_id: str, session_id: str, config: GetSessionConfig | None = None
    ) -> Session | None:
        wanted = read_config(config)
        names = stored_names(app_name, user_id, session_id)

        async def read(connection: Connection) -> tuple[Any, list[Any]] | None:
            for _ in range(2):
                row = await connection.fetchrow(sql.READ, *names)
                if row is None:
                    return None
                number, head = row["number"], row["head"]
                if wanted.since is not None:
                    limits = (wanted.after, head, wanted.since, wanted.newest)
                    return row, list(reversed(await connection.fetch(sql.EVENTS_SINCE, number, *limits)))
                start = wanted.after if wanted.newest is None else max(wanted.after, head - wanted.newest)
                if start >= head:
                    return row, []
                events = await connection.fetch(sql.EVENTS, number, start, head)
                if len(events) == head - start:
                    return row, events
                # Deleted between the two reads, so it is gone now; else something is missing.
            raise CorruptedDataError(f"The log of session {session_id!r} has gaps: restore it from a backup")

        found = await self._database.run(read)
        if found is None:
            return None
        row, stored = found
        events = decode_events((one["data"] for one in stored), f"session {session_id!r}")
        return copy_of(row, shown_state(row["app_state"]), shown_state(row["user_state"]), events)

    async def list_sessions(
        self, *, app_name: str, user_id: str | None = None, page_size: int | None = None, page_token: str | None = None
    ) -> ListSessionsResponse:
        after = read_page(page_size, page_token)
        limit = None if page_size is None else page_size + 1
        app, *user = stored_names(app_name) if user_id is None else stored_names(app_name, user_id)

        async def read(connection: Connection) -> tuple[list[Any], list[Any]]:
            query = sql.LIST_OF_USER if user else sql.LIST_OF_APP
            rows = await connection.fetch(query, app, after, limit, *user)
            scopes = {row["app_scope"] for row in rows} | {row["user_scope"] for row in rows}
            return rows, await connection.fetch(sql.SHARED_STATES, list(scopes)) if scopes else []

        rows, stored = await self._database.run(read)
        shared: dict[int, dict[str, str]] = {}
        for scope, key, data in stored:
            shared.setdefault(scope, {})[shown_name(key)] = data
        page = rows[:page_size]

        def state_of(scope: int) -> dict[str, Any]:
            return decode_values(shared.get(scope, {}))

        return ListSessionsResponse(
            sessions=[copy_of(row, state_of(row["app_scope"]), state_of(row["user_scope"]), []) for row in page],
            next_page_token=str(page[-1]["number"]) if len(rows) > len(page) else None,
        )

    async def delete_session(self, *, app_name: str, user_id: str, session_id: str) -> None:
        names = stored_names(app_name, user_id, session_id)

        async def delete(connection: Connection) -> None:
            async with connection.transaction():
                # Locked first: the statement after it sees all that was written until then.
                number = await connection.fetchval(sql.LOCK, *names)
                if number is not None:
                    await connection.execute(sql.DELETE, [number])

        await self._database.run(delete)

    async def delete_idle_sessions(self, *, app_name: str, idle_seconds: float) -> int:
        deleted, after, before = 0, 0, clock.now() - idle_seconds

        async def delete(connection: Connection) -> tuple[int, int | None]:
            async with connection.transaction():
                rows = await connection.fetch(sql.IDLE, stored_name(app_name), after, before)
                idle = [row for row in rows if row["writer"] is None or self._writer.is_gone(row["number"], row)]
                await connection.execute(sql.DELETE, [row["number"] for row in idle])
            return len(idle), rows[-1]["number"] if rows else None

        while True:
            count, last = await self._database.run(delete)
            deleted += count
            if last is None:
                return deleted
            after = last

    async def get_user_state(self, *, app_name: str, user_id: str) -> dict[str, Any]:
        names = stored_names(app_name, user_id)

        async def read(connection: Connection) -> list[Any]:
            return await connection.fetch(sql.USER_STATE, *names)

        return shown_state(await self._database.run(read))

    async def wait_for_news(self, session: Session) -> None:
        if isinstance(session.revision, Revision):
            await self._news.wait(session.revision, session.seq)
        else:
            await super().wait_for_news(session)

    async def close(self) -> None:
        await self._writer.close()
        await self._database.close()

    # --- writes -------------------------------------------------------------------------------------------------------

    async def append_event(self, session: Session, event: Event) -> Event:
        if event.partial:
            return event
        write = encoded_write(session, event)
        versions = await self._log.append(session, write)
        await self._log.show(session, write, versions)
        return event

    async def start_run(
        self, session: Session, invocation_id: str, event: Event | None = None, *, take_over: bool = False
    ) -> None:
        write = None if event is None else encoded_write(session, event)
        session.lease, versions = await self._log.start_run(session, invocation_id, write, take_over=take_over)
        if write is not None:
            await self._log.show(session, write, versions)

    async def end_run(
        self, session: Session, invocation_id: str, status: RunStatus, *, error: str | None = None
    ) -> None:
        lease, session.lease = session.lease, None
        if not isinstance(lease, Lease):
            return
        reason = None if error is None else stored_name(error)
        values = (stored_name(invocation_id), status, reason, clock.now())
        token = known_revision(session).token

        async def end(connection: Connection) -> None:
            await connection.execute(sql.END, lease.session, token, lease.epoch, lease.writer, *values)

        try:
            await self._database.run(end)
        except BaseException:
            self._writer.leases.forget(lease)
            raise
        self._writer.note_ended(lease)

    async def record_call(self, session: Session, call: CallRecord) -> None:
        lease, revision = session.lease, known_revision(session)
        if not isinstance(lease, Lease):
            raise LeaseLostError(f"Nobody runs session {session.id!r} with this copy: start a run, then make calls")
        data = encode_call(call).decode()
        names = stored_names(call.invocation_id, call.call_id)

        async def record(connection: Connection) -> Any:
            given = (revision.number, revision.token, lease.epoch, lease.writer, *names, data)
            return await connection.fetchval(sql.RECORD_CALL, *given)

        if await self._database.run(record) is None:
            await self._log.raise_lost(session)

    # --- runs ---------------------------------------------------------------------------------------------------------

    async def list_calls(self, session: Session, invocation_id: str) -> list[CallRecord]:
        revision = session.revision
        if not isinstance(revision, Revision):
            return []

        async def read(connection: Connection) -> list[Any]:
            return await connection.fetch(sql.LIST_CALLS, revision.number, stored_name(invocation_id))

        place = f"run {invocation_id!r} of session {session.id!r}"
        return [decode_call(row["data"], place) for row in await self._database.run(read)]

    async def list_runs(
        self,
        *,
        app_name: str,
        user_id: str | None = None,
        session_id: str | None = None,
        status: Collection[RunStatus] | None = None,
    ) -> list[RunRecord]:
        statuses = list(_STATUSES if status is None else status)
        values: list[object] = [*stored_names(app_name), statuses]
        query = sql.OPEN_RUNS if _OPEN.issuperset(statuses) else sql.RUNS
        if user_id is not None:
            query += sql.OF_USER
            values += stored_names(user_id)
        if session_id is not None:
            query += sql.OF_SESSION if user_id is not None else sql.OF_ANY_SESSION
            values += stored_names(session_id)

        async def read(connection: Connection) -> list[Any]:
            return await connection.fetch(query + sql.IN_ORDER, *values)

        return [self._run(row) for row in await self._database.run(read)]

    def _run(self, row: Any) -> RunRecord:
        is_left = row["epoch"] != row["session_epoch"] or row["writer"] is None
        return RunRecord(
            app_name=shown_name(row["app_name"]),
            user_id=shown_name(row["user_id"]),
            session_id=shown_name(row["id"]),
            invocation_id=shown_name(row["invocation_id"]),
            status=row["status"],
            error=None if row["error"] is None else shown_name(row["error"]),
            interrupted=row["status"] == "running" and (is_left or self._writer.is_gone(row["session"], row)),
            start_time=row["start_time"],
            update_time=row["update_time"],
        )
