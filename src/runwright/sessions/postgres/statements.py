# SPDX-License-Identifier: Apache-2.0
"""The SQL of the PostgreSQL session store.

An append is one statement, and so one round trip and one transaction. Whatever it does hangs on the update of the
session's row, which finds no row when the copy is stale: then nothing is done. Rows are locked in one order: the
session, what the app shares, what the user shares.
"""

CHANNEL = "runwright_session"
"""Where it is told which session has news: the payload is its number."""

KEPT_FOLLOWED = "60 seconds"


class Statement:
    """SQL whose parameters have names: ``values`` puts the arguments in the order of its ``$1``, ``$2``, ...

    Attributes:
        text: The SQL as the server takes it.
        names: The parameters in their order.
    """

    def __init__(self, sql: str, names: str) -> None:
        self.names = tuple(names.split())
        self.text = sql.format(**{name: f"${index}" for index, name in enumerate(self.names, 1)})

    def values(self, given: dict[str, object]) -> list[object]:
        """The arguments in order; those that the statement does not take are left out."""
        return [given[name] for name in self.names]


# --- append and start_run ---------------------------------------------------------------------------------------------

_ADVANCE = """
WITH updated AS (
  UPDATE runwright_session SET head = head + 1, update_time = {timestamp}, written = {now}
  WHERE number = {number} AND token = {token} AND head = {head}
  AND ({epoch}::bigint IS NULL OR (epoch = {epoch} AND writer = {writer}))
  RETURNING number, head, app_scope, user_scope, followed_until
)"""
_TAKE_LEASE = """
WITH updated AS (
  UPDATE runwright_session SET epoch = epoch + 1, writer = {writer}, run = {invocation}, written = {now}%s
  WHERE number = {number} AND token = {token} AND head = {head} AND epoch = {epoch} AND (writer IS NULL OR {may_take})
  RETURNING number, head, epoch, app_scope, user_scope, followed_until
), recorded AS (
  INSERT INTO runwright_run (session, invocation_id, status, epoch, start_time, update_time)
  SELECT number, {invocation}, 'running', epoch, {now}, {now} FROM updated
  ON CONFLICT (session, invocation_id) DO UPDATE
  SET status = 'running', error = NULL, epoch = excluded.epoch, update_time = excluded.update_time
), cancelled AS (
  UPDATE runwright_run r SET status = 'cancelled', error = 'another run came after it', update_time = {now}
  FROM updated WHERE r.session = updated.number AND r.status = 'running' AND r.invocation_id <> {invocation}
)"""
_ADVANCE_TOO = ", head = head + 1, update_time = {timestamp}"
_EVENT = """, stored AS (
  INSERT INTO runwright_event (session, seq, timestamp, data)
  SELECT number, head, {timestamp}, {data} FROM updated
)"""
_OWN_STATE = """, own AS (
  INSERT INTO runwright_session_state (session, key, data)
  SELECT updated.number, new.key, new.data
  FROM updated, unnest({keys}::text[], {values}::text[]) AS new(key, data)
  ON CONFLICT (session, key) DO UPDATE SET data = excluded.data
)"""
_SHARED_STATE = """, app_written AS (
  UPDATE runwright_scope s SET version = s.version + 1
  FROM updated WHERE s.number = updated.app_scope AND cardinality({app_keys}::text[]) > 0
  RETURNING s.number, s.version
), user_written AS (
  UPDATE runwright_scope s SET version = s.version + 1
  FROM updated, (SELECT count(*) FROM app_written) AS app_first
  WHERE s.number = updated.user_scope AND cardinality({user_keys}::text[]) > 0
  RETURNING s.number, s.version
), shared AS (
  INSERT INTO runwright_shared_state (scope, key, version, data)
  SELECT w.number, new.key, w.version, new.data
  FROM app_written w, unnest({app_keys}::text[], {app_values}::text[]) AS new(key, data)
  UNION ALL
  SELECT w.number, new.key, w.version, new.data
  FROM user_written w, unnest({user_keys}::text[], {user_values}::text[]) AS new(key, data)
  ON CONFLICT (scope, key) DO UPDATE SET version = excluded.version, data = excluded.data
)"""
_TOLD = f"CASE WHEN updated.followed_until > now() THEN pg_notify('{CHANNEL}', updated.number::text) END"
_VERSIONS = f"""
SELECT a.version AS app, u.version AS user, {_TOLD}
FROM updated
JOIN runwright_scope a ON a.number = updated.app_scope
JOIN runwright_scope u ON u.number = updated.user_scope
"""
_VERSIONS_WRITTEN = f"""
SELECT coalesce((SELECT version FROM app_written), a.version) AS app,
  coalesce((SELECT version FROM user_written), u.version) AS user, {_TOLD}
FROM updated
JOIN runwright_scope a ON a.number = updated.app_scope
JOIN runwright_scope u ON u.number = updated.user_scope
"""

_COPY = "number token head epoch writer now "
_NEW = "timestamp data "
_OWN = "keys values "
_SHARED = "app_keys app_values user_keys user_values "
_LEASE = "invocation may_take "

APPEND = Statement(_ADVANCE + _EVENT + _VERSIONS, _COPY + _NEW)
APPEND_OWN = Statement(_ADVANCE + _EVENT + _OWN_STATE + _VERSIONS, _COPY + _NEW + _OWN)
APPEND_SHARED = Statement(
    _ADVANCE + _EVENT + _OWN_STATE + _SHARED_STATE + _VERSIONS_WRITTEN, _COPY + _NEW + _OWN + _SHARED
)
START = Statement(_TAKE_LEASE % "" + _VERSIONS, _COPY + _LEASE)
START_APPEND = Statement(_TAKE_LEASE % _ADVANCE_TOO + _EVENT + _VERSIONS, _COPY + _LEASE + _NEW)
START_APPEND_SHARED = Statement(
    _TAKE_LEASE % _ADVANCE_TOO + _EVENT + _OWN_STATE + _SHARED_STATE + _VERSIONS_WRITTEN,
    _COPY + _LEASE + _NEW + _OWN + _SHARED,
)

# How a session stands, for when one of the above found no row, or when it is not known whether it was done.
STANDING = """
SELECT s.head, s.epoch, s.writer, s.run, w.identity, w.beat
FROM runwright_session s LEFT JOIN runwright_writer w ON w.number = s.writer
WHERE s.number = $1 AND s.token = $2
"""
STORED_EVENT = "SELECT data FROM runwright_event WHERE session = $1 AND seq = $2"
IS_THERE = "SELECT number FROM runwright_session WHERE app_name = $1 AND user_id = $2 AND id = $3"

# Of the scopes $1, what was changed after the versions $2.
CHANGES = """
SELECT s.number, s.version, c.key, c.data
FROM unnest($1::bigint[], $2::bigint[]) AS known(scope, version)
JOIN runwright_scope s ON s.number = known.scope
LEFT JOIN runwright_shared_state c ON c.scope = s.number AND c.version > known.version
"""

# --- create, read, list, delete ---------------------------------------------------------------------------------------

MAKE_SCOPES = """
INSERT INTO runwright_scope (app_name, is_user, user_id) VALUES ($1, false, ''), ($1, true, $2)
ON CONFLICT (app_name, is_user, user_id) DO NOTHING
"""
CREATE = Statement(
    """
WITH updated AS (
  INSERT INTO runwright_session (app_name, user_id, id, token, app_scope, user_scope, update_time, written)
  SELECT {app_name}, {user_id}, {id}, {token}, a.number, u.number, {now}::float8, {now}::float8
  FROM runwright_scope a, runwright_scope u
  WHERE a.app_name = {app_name} AND NOT a.is_user AND a.user_id = ''
  AND u.app_name = {app_name} AND u.is_user AND u.user_id = {user_id}
  ON CONFLICT (app_name, user_id, id) DO NOTHING
  RETURNING number, app_scope, user_scope
)"""
    + _OWN_STATE
    + _SHARED_STATE
    + "\nSELECT number FROM updated",
    "app_name user_id id token now " + _OWN + _SHARED,
)
_COLUMNS = """
SELECT s.number, s.app_name, s.user_id, s.id, s.token, s.head, s.epoch, s.update_time, s.app_scope, s.user_scope,
  a.version AS app_version, u.version AS user_version,
  (SELECT array_agg(ARRAY[key, data]) FROM runwright_session_state WHERE session = s.number) AS state"""
_FROM = """
FROM runwright_session s
JOIN runwright_scope a ON a.number = s.app_scope
JOIN runwright_scope u ON u.number = s.user_scope"""
READ = f"""{_COLUMNS},
  (SELECT array_agg(ARRAY[key, data]) FROM runwright_shared_state WHERE scope = s.app_scope) AS app_state,
  (SELECT array_agg(ARRAY[key, data]) FROM runwright_shared_state WHERE scope = s.user_scope) AS user_state{_FROM}
WHERE s.app_name = $1 AND s.user_id = $2 AND s.id = $3
"""
LIST_OF_APP = f"{_COLUMNS}{_FROM}\nWHERE s.app_name = $1 AND s.number > $2 ORDER BY s.number LIMIT $3"
LIST_OF_USER = (
    f"{_COLUMNS}{_FROM}\nWHERE s.app_name = $1 AND s.user_id = $4 AND s.number > $2 ORDER BY s.number LIMIT $3"
)
SHARED_STATES = "SELECT scope, key, data FROM runwright_shared_state WHERE scope = ANY($1::bigint[])"
USER_STATE = """
SELECT c.key, c.data FROM runwright_scope s JOIN runwright_shared_state c ON c.scope = s.number
WHERE s.app_name = $1 AND s.is_user AND s.user_id = $2
"""

# Events are never changed, so those up to the head that was read belong to what was read.
EVENTS = "SELECT seq, data FROM runwright_event WHERE session = $1 AND seq > $2 AND seq <= $3 ORDER BY seq"
EVENTS_SINCE = (
    "SELECT seq, data FROM runwright_event WHERE session = $1 AND seq > $2 AND seq <= $3 AND timestamp >= $4 "
    "ORDER BY seq DESC LIMIT $5"
)

LOCK = "SELECT number FROM runwright_session WHERE app_name = $1 AND user_id = $2 AND id = $3 FOR UPDATE"
IDLE = """
SELECT s.number, s.epoch, s.writer, w.identity, w.beat
FROM runwright_session s LEFT JOIN runwright_writer w ON w.number = s.writer
WHERE s.app_name = $1 AND s.number > $2 AND s.written < $3
ORDER BY s.number LIMIT 500
FOR UPDATE OF s SKIP LOCKED
"""
DELETE = f"""
WITH gone AS (
  DELETE FROM runwright_session WHERE number = ANY($1::bigint[]) RETURNING number, followed_until
), events AS (
  DELETE FROM runwright_event WHERE session = ANY($1::bigint[])
), state AS (
  DELETE FROM runwright_session_state WHERE session = ANY($1::bigint[])
), runs AS (
  DELETE FROM runwright_run WHERE session = ANY($1::bigint[])
), calls AS (
  DELETE FROM runwright_call WHERE session = ANY($1::bigint[])
)
SELECT CASE WHEN followed_until > now() THEN pg_notify('{CHANNEL}', number::text) END FROM gone
"""

# --- runs -------------------------------------------------------------------------------------------------------------

# Its loss in a crash of the server is allowed for, so it does not wait for the disk.
END = """
WITH given_back AS (
  UPDATE runwright_session SET writer = NULL, run = NULL, written = $8::float8
  WHERE number = $1 AND token = $2 AND epoch = $3 AND writer = $4
  RETURNING number, set_config('synchronous_commit', 'off', true)
)
UPDATE runwright_run r SET status = $6, error = $7, update_time = $8::float8
FROM given_back WHERE r.session = given_back.number AND r.invocation_id = $5
"""
# The session is locked, so that a writer who takes the lease finds this row.
RECORD_CALL = """
WITH held AS (
  SELECT number FROM runwright_session WHERE number = $1 AND token = $2 AND epoch = $3 AND writer = $4 FOR SHARE
)
INSERT INTO runwright_call (session, invocation_id, call_id, data)
SELECT number, $5, $6, $7 FROM held
ON CONFLICT (session, invocation_id, call_id) DO UPDATE SET data = excluded.data
RETURNING session
"""
LIST_CALLS = "SELECT data FROM runwright_call WHERE session = $1 AND invocation_id = $2 ORDER BY number"
RUNS = """
SELECT s.number AS session, s.app_name, s.user_id, s.id, s.epoch AS session_epoch, s.writer, w.identity, w.beat,
  r.invocation_id, r.status, r.error, r.epoch, r.start_time, r.update_time
FROM runwright_session s
JOIN runwright_run r ON r.session = s.number
LEFT JOIN runwright_writer w ON w.number = s.writer
WHERE s.app_name = $1 AND r.status = ANY($2::text[])"""
OPEN_RUNS = f"{RUNS} AND r.status IN ('running', 'paused')"
OF_USER = " AND s.user_id = $3"
OF_SESSION = " AND s.id = $4"
OF_ANY_SESSION = " AND s.id = $3"
IN_ORDER = "\nORDER BY s.number, r.number"

# --- writers ----------------------------------------------------------------------------------------------------------

REGISTER = "INSERT INTO runwright_writer (identity) VALUES ($1) RETURNING number"
BEAT = "UPDATE runwright_writer SET beat = beat + 1 WHERE number = $1 RETURNING beat"
FORGET = "DELETE FROM runwright_writer WHERE number = $1 AND beat = $2"
RETIRE = "DELETE FROM runwright_writer WHERE number = $1"
GIVE_BACK = "UPDATE runwright_session SET writer = NULL, run = NULL WHERE number = $1 AND epoch = $2"

# --- followers --------------------------------------------------------------------------------------------------------

# The head as it is once appends know of the follower: read before, an append in between would be told to nobody.
FOLLOW = f"""
WITH marked AS (
  UPDATE runwright_session SET followed_until = now() + 2 * interval '{KEPT_FOLLOWED}'
  WHERE number = $1 AND token = $2
  AND (followed_until IS NULL OR followed_until < now() + interval '{KEPT_FOLLOWED}')
  RETURNING head, set_config('synchronous_commit', 'off', true)
)
SELECT coalesce(
  (SELECT head FROM marked), (SELECT head FROM runwright_session WHERE number = $1 AND token = $2)
) AS head
"""
