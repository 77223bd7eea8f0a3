# SPDX-License-Identifier: Apache-2.0
"""Every statement that the sessions in SQLite use. A test looks at the plan of each: none reads a whole table.

Parameters are by position.
"""

# --- making and finding -----------------------------------------------------------------------------------------

STORE_ID = "SELECT id FROM store WHERE number = 1"
FIND_APP = "SELECT number FROM app WHERE name = ?"
MAKE_APP = "INSERT INTO app (name) VALUES (?)"
FIND_USER = "SELECT number FROM user WHERE app = ? AND id = ?"
MAKE_USER = "INSERT INTO user (app, id) VALUES (?, ?)"
FIND_SESSION = """
SELECT session.number FROM app
JOIN user ON user.app = app.number AND user.id = ?
JOIN session ON session.user = user.number AND session.id = ?
WHERE app.name = ?
"""
MAKE_SESSION = "INSERT INTO session (app, user, id, update_time, write_time, day) VALUES (?, ?, ?, ?, ?, ?)"
READ_SESSION = """
SELECT (SELECT id FROM store WHERE number = 1), session.number, app.number, user.number, app.version, user.version,
    session.head, session.update_time
FROM app
JOIN user ON user.app = app.number AND user.id = ?
JOIN session ON session.user = user.number AND session.id = ?
WHERE app.name = ?
"""
READ_HEADS = "SELECT number, head FROM session WHERE number IN (SELECT value FROM json_each(?))"

# --- lists ------------------------------------------------------------------------------------------------------

_LISTED = """
SELECT session.number, session.id, user.id, user.number, user.version, session.head, session.update_time
FROM session JOIN user ON user.number = session.user
"""
LIST_OF_APP = f"{_LISTED} WHERE session.app = ? AND session.number > ? ORDER BY session.number LIMIT ?"
LIST_OF_USER = f"{_LISTED} WHERE session.user = ? AND session.number > ? ORDER BY session.number LIMIT ?"
APP_VERSION = "SELECT version FROM app WHERE number = ?"
STATE_OF_SESSIONS = """
SELECT session, key, value FROM session_state WHERE session IN (SELECT value FROM json_each(?))
"""
STATE_OF_USERS = "SELECT user, key, value FROM user_state WHERE user IN (SELECT value FROM json_each(?))"

# --- state ------------------------------------------------------------------------------------------------------

STATE_OF_SESSION = "SELECT key, value FROM session_state WHERE session = ?"
STATE_OF_APP = "SELECT key, value FROM app_state WHERE app = ? AND version > ?"
STATE_OF_USER = "SELECT key, value FROM user_state WHERE user = ? AND version > ?"
WRITE_SESSION_STATE = """
INSERT INTO session_state (session, key, value) VALUES (?, ?, ?)
ON CONFLICT (session, key) DO UPDATE SET value = excluded.value
"""
NEXT_APP_VERSION = "UPDATE app SET version = version + 1 WHERE number = ? RETURNING version"
WRITE_APP_STATE = """
INSERT INTO app_state (app, key, value, version) VALUES (?, ?, ?, ?)
ON CONFLICT (app, key) DO UPDATE SET value = excluded.value, version = excluded.version
"""
NEXT_USER_VERSION = "UPDATE user SET version = version + 1 WHERE number = ? RETURNING version"
WRITE_USER_STATE = """
INSERT INTO user_state (user, key, value, version) VALUES (?, ?, ?, ?)
ON CONFLICT (user, key) DO UPDATE SET value = excluded.value, version = excluded.version
"""

# --- events -----------------------------------------------------------------------------------------------------

ADD_EVENT = "INSERT INTO event (place, data) VALUES (?, ?)"
EVENTS = "SELECT data FROM event WHERE place > ? AND place <= ? ORDER BY place"
EVENTS_NEWEST_FIRST = "SELECT data FROM event WHERE place > ? AND place <= ? ORDER BY place DESC"

# Checks all that an append depends on and advances the head, in one step. Where nothing is updated, CURRENT tells why.
_VERSIONS_ARE = "(SELECT version FROM app WHERE number = ?) = ? AND (SELECT version FROM user WHERE number = ?) = ?"
ADVANCE = f"""
UPDATE session SET head = head + 1, update_time = ?, write_time = ?
WHERE number = ? AND head = ? AND day = ? AND {_VERSIONS_ARE}
"""
ADVANCE_LEASED = f"{ADVANCE} AND epoch = ? AND writer = ?"
ADVANCE_FREE = f"""
UPDATE session
SET head = head + ?, update_time = coalesce(?, update_time), write_time = ?, epoch = epoch + 1, writer = ?
WHERE number = ? AND head = ? AND day = ? AND {_VERSIONS_ARE} AND writer IS NULL RETURNING epoch
"""
CURRENT = """
SELECT session.head, session.epoch, session.writer, session.day, app.version, user.version
FROM session JOIN app ON app.number = session.app JOIN user ON user.number = session.user
WHERE session.number = ?
"""
SET_HEAD = "UPDATE session SET head = ?, update_time = coalesce(?, update_time), write_time = ? WHERE number = ?"
SET_DAY = "UPDATE session SET day = ? WHERE number = ?"

# --- runs and leases --------------------------------------------------------------------------------------------

GIVE_LEASE = "UPDATE session SET epoch = ?, writer = ? WHERE number = ?"
FREE_LEASE = "UPDATE session SET writer = NULL WHERE number = ? AND epoch = ? AND writer = ?"
START_RUN = """
INSERT INTO run (session, invocation_id, status, started, epoch, start_time, update_time)
VALUES (?, ?, 0, ?, ?, ?, ?)
ON CONFLICT (session, invocation_id)
DO UPDATE SET status = 0, error = NULL, epoch = excluded.epoch, update_time = excluded.update_time
"""
END_RUN = "UPDATE run SET status = ?, error = ?, update_time = ? WHERE session = ? AND invocation_id = ? AND epoch = ?"
CANCEL_RUNNING = """
UPDATE run SET status = 4, error = ?, update_time = ?
WHERE session = ? AND status <= 1 AND status = 0 AND invocation_id <> ?
"""
_RUNS = """
SELECT user.id, session.id, run.invocation_id, run.status, run.error, run.start_time, run.update_time, session.number,
    run.epoch = session.epoch, session.epoch, session.writer, writer.identity, writer.beat
"""
_RUNS_END = "LEFT JOIN writer ON writer.number = session.writer"
RUNS_OF_SESSION = f"""
{_RUNS} FROM session JOIN user ON user.number = session.user JOIN run ON run.session = session.number {_RUNS_END}
WHERE session.number = ? ORDER BY run.started
"""
RUNS_OF_USER = f"""
{_RUNS} FROM session JOIN user ON user.number = session.user JOIN run ON run.session = session.number {_RUNS_END}
WHERE session.user = ? ORDER BY session.number, run.started
"""
RUNS_OF_APP = f"""
{_RUNS} FROM session JOIN user ON user.number = session.user JOIN run ON run.session = session.number {_RUNS_END}
WHERE session.app = ? ORDER BY session.number, run.started
"""
# Reads the index of the runs that have not ended, which is small whatever the number of sessions.
OPEN_RUNS_OF_APP = f"""
{_RUNS} FROM run INDEXED BY run_open CROSS JOIN session ON session.number = run.session
JOIN user ON user.number = session.user {_RUNS_END}
WHERE run.status <= 1 AND session.app = ? ORDER BY session.number, run.started
"""
RECORD_CALL = """
INSERT INTO tool_call (session, invocation_id, call_id, data) VALUES (?, ?, ?, ?)
ON CONFLICT (session, invocation_id, call_id) DO UPDATE SET data = excluded.data
"""
CALLS = "SELECT data FROM tool_call WHERE session = ? AND invocation_id = ? ORDER BY number"

# --- writers ----------------------------------------------------------------------------------------------------

ADD_WRITER = "INSERT INTO writer (identity) VALUES (?) ON CONFLICT (identity) DO NOTHING"
FIND_WRITER = "SELECT number FROM writer WHERE identity = ?"
READ_WRITER = "SELECT identity, beat FROM writer WHERE number = ?"
BEAT = "UPDATE writer SET beat = beat + 1 WHERE number = ?"
RETURN_WRITER = "INSERT OR IGNORE INTO writer (number, identity) VALUES (?, ?)"
REMOVE_WRITER = "DELETE FROM writer WHERE number = ?"
# One row for each service that is open; each that starts looks which of them are gone.
ALL_WRITERS = "SELECT number, identity FROM writer"

# --- deleting ---------------------------------------------------------------------------------------------------

SESSION_OWNER = "SELECT user, epoch, writer FROM session WHERE number = ?"
IDLE_SESSIONS = "SELECT number FROM session WHERE app = ? AND day <= ? AND write_time <= ?"
IS_IDLE = "SELECT epoch, writer FROM session WHERE number = ? AND write_time <= ?"
DELETE_EVENTS = "DELETE FROM event WHERE place > ? AND place < ?"
DELETE_STATE = "DELETE FROM session_state WHERE session = ?"
DELETE_CALLS = "DELETE FROM tool_call WHERE session = ?"
DELETE_RUNS = "DELETE FROM run WHERE session = ?"
DELETE_SESSION = "DELETE FROM session WHERE number = ?"
# State outlives its sessions; a user without either need not be known.
DELETE_USER = """
DELETE FROM user WHERE number = ? AND version = 0 AND NOT EXISTS (SELECT 1 FROM session WHERE user = ?)
"""
