-- SPDX-License-Identifier: Apache-2.0
-- Sessions, their events and state, and the runs in them. Times are seconds since the epoch; nothing is ordered by them.

-- Which store this is: what was read from another one is not current here.
CREATE TABLE store (
    number INTEGER PRIMARY KEY CHECK (number = 1),
    id TEXT NOT NULL
);
INSERT INTO store (number, id) VALUES (1, lower(hex(randomblob(16))));

-- What the sessions of an app share, and those of one user of it. `version` counts the writes to the shared state, so
-- that a session can be told what others changed.
CREATE TABLE app (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    version INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE app_state (
    app INTEGER NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (app, key)
) WITHOUT ROWID;
CREATE TABLE user (
    number INTEGER PRIMARY KEY,
    app INTEGER NOT NULL,
    id TEXT NOT NULL,
    version INTEGER NOT NULL DEFAULT 0,
    UNIQUE (app, id)
);
CREATE TABLE user_state (
    user INTEGER NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (user, key)
) WITHOUT ROWID;

-- `number` counts all sessions that were ever made: the order of lists. `head` is the sequence number of the newest
-- event. `epoch` counts the leases that were given; `writer` has the newest one, until it is given back.
-- `write_time` is the clock of who wrote last and `day` the day of it: an append touches no index but on a new day.
CREATE TABLE session (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    app INTEGER NOT NULL,
    user INTEGER NOT NULL,
    id TEXT NOT NULL,
    head INTEGER NOT NULL DEFAULT 0,
    epoch INTEGER NOT NULL DEFAULT 0,
    writer INTEGER,
    update_time REAL NOT NULL,
    write_time REAL NOT NULL,
    day INTEGER NOT NULL,
    UNIQUE (user, id)
);
CREATE INDEX session_of_app ON session (app);
CREATE INDEX session_of_user ON session (user);
CREATE INDEX session_idle ON session (app, day);
CREATE TABLE session_state (
    session INTEGER NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (session, key)
) WITHOUT ROWID;

-- `place` is the session's number in its upper and the event's sequence number in its lower 32 bits: the events of a
-- session lie together and in order, without an index beside them.
CREATE TABLE event (
    place INTEGER PRIMARY KEY,
    data TEXT NOT NULL
);

-- `status`: 0 running, 1 paused, 2 completed, 3 failed, 4 cancelled. `started` is the epoch of the first lease that the
-- run had, which orders the runs of a session; `epoch` that of its last. An id of the usual form, e-UUID, is kept as
-- the 16 bytes of the UUID, any other as text.
CREATE TABLE run (
    session INTEGER NOT NULL,
    invocation_id BLOB NOT NULL,
    status INTEGER NOT NULL,
    error TEXT,
    started INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    start_time REAL NOT NULL,
    update_time REAL NOT NULL,
    PRIMARY KEY (session, invocation_id)
) WITHOUT ROWID;
CREATE INDEX run_open ON run (session) WHERE status <= 1;

-- The ledger of tool calls. `number` is the order in which they were first started.
CREATE TABLE tool_call (
    number INTEGER PRIMARY KEY,
    session INTEGER NOT NULL,
    invocation_id TEXT NOT NULL,
    call_id TEXT NOT NULL,
    data TEXT NOT NULL,
    UNIQUE (session, invocation_id, call_id)
);

-- Who writes: one row for each service that has not been closed. One whose row is missing is gone.
CREATE TABLE writer (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    identity TEXT NOT NULL UNIQUE,
    beat INTEGER NOT NULL DEFAULT 0
);
