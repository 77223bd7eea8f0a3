-- SPDX-License-Identifier: Apache-2.0

-- What the sessions of one app (user_id is '') or of one user of it share. The version grows with each change of the
-- shared state; who changes it holds this row until the change is committed, so versions are committed in their order.
CREATE TABLE runwright_scope (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    app_name text NOT NULL,
    is_user boolean NOT NULL,
    user_id text NOT NULL,
    version bigint NOT NULL DEFAULT 0,
    UNIQUE (app_name, is_user, user_id)
) WITH (fillfactor = 70);

CREATE TABLE runwright_shared_state (
    scope bigint NOT NULL,
    key text NOT NULL,
    version bigint NOT NULL,
    data text NOT NULL,
    PRIMARY KEY (scope, key)
);
CREATE INDEX runwright_shared_state_version ON runwright_shared_state (scope, version);

-- No index holds what an append changes, so that it changes the row in place.
CREATE TABLE runwright_session (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    app_name text NOT NULL,
    user_id text NOT NULL,
    id text NOT NULL,
    token bigint NOT NULL,                -- random: a session made again is another one
    app_scope bigint NOT NULL,
    user_scope bigint NOT NULL,
    head bigint NOT NULL DEFAULT 0,       -- the sequence number of the newest event
    epoch bigint NOT NULL DEFAULT 0,      -- how many leases there were
    writer bigint,                        -- who has the lease; nobody where it is null
    run text,                             -- the invocation that the lease was given for
    update_time double precision NOT NULL,
    written double precision NOT NULL,    -- when anything was, by the clock of who did
    followed_until timestamptz,           -- until then, appends tell those who follow
    UNIQUE (app_name, user_id, id)
) WITH (fillfactor = 70);
CREATE INDEX runwright_session_of_app ON runwright_session (app_name, number);
CREATE INDEX runwright_session_of_user ON runwright_session (app_name, user_id, number);

CREATE TABLE runwright_session_state (
    session bigint NOT NULL,
    key text NOT NULL,
    data text NOT NULL,
    PRIMARY KEY (session, key)
) WITH (fillfactor = 85);

-- data is text and not json: the server has nothing to check in it, and text may hold what json refuses.
CREATE TABLE runwright_event (
    session bigint NOT NULL,
    seq bigint NOT NULL,
    timestamp double precision NOT NULL,
    data text NOT NULL,
    PRIMARY KEY (session, seq)
);

CREATE TABLE runwright_run (
    session bigint NOT NULL,
    invocation_id text NOT NULL,
    number bigint GENERATED ALWAYS AS IDENTITY,
    status text NOT NULL,
    error text,
    epoch bigint NOT NULL,                -- of the lease that it runs under
    start_time double precision NOT NULL,
    update_time double precision NOT NULL,
    PRIMARY KEY (session, invocation_id)
) WITH (fillfactor = 85);
CREATE INDEX runwright_run_open ON runwright_run (session) WHERE status IN ('running', 'paused');

CREATE TABLE runwright_call (
    session bigint NOT NULL,
    invocation_id text NOT NULL,
    call_id text NOT NULL,
    number bigint GENERATED ALWAYS AS IDENTITY,
    data text NOT NULL,
    PRIMARY KEY (session, invocation_id, call_id)
) WITH (fillfactor = 85);

-- Who writes. One that has no row is gone.
CREATE TABLE runwright_writer (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    identity text NOT NULL,
    beat bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
