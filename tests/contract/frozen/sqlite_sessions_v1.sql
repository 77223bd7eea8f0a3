-- SPDX-License-Identifier: Apache-2.0
-- A database of version 1 of the schema, as it was released. Never changed.
BEGIN TRANSACTION;
CREATE TABLE app (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    version INTEGER NOT NULL DEFAULT 0
);
INSERT INTO "app" VALUES(1,'app',1);
CREATE TABLE app_state (
    app INTEGER NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (app, key)
) WITHOUT ROWID;
INSERT INTO "app_state" VALUES(1,'greeting','{"en":"hello"}',1);
CREATE TABLE event (
    place INTEGER PRIMARY KEY,
    data TEXT NOT NULL
);
INSERT INTO "event" VALUES(4294967297,'{"content":{"parts":[{"text":"What is 2 + 2?"}],"role":"user"},"invocationId":"e-11111111-2222-4333-8444-555555555555","author":"user","actions":{},"nodeInfo":{},"id":"00000000-0000-4000-8000-000000000001","timestamp":1700000000.0}');
INSERT INTO "event" VALUES(4294967298,'{"content":{"parts":[{"text":"4"}],"role":"model"},"invocationId":"e-11111111-2222-4333-8444-555555555555","author":"agent","actions":{"stateDelta":{"topic":"sums"}},"nodeInfo":{},"id":"00000000-0000-4000-8000-000000000002","timestamp":1700000001.0}');
INSERT INTO "event" VALUES(4294967299,'{"content":{"parts":[{"text":"And 3 + 3?"}],"role":"user"},"invocationId":"second","author":"user","actions":{},"nodeInfo":{},"id":"00000000-0000-4000-8000-000000000003","timestamp":1700000002.5}');
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
INSERT INTO "run" VALUES(1,'second',0,NULL,2,2,1700000000.0,1700000000.0);
INSERT INTO "run" VALUES(1,X'11111111222243338444555555555555',2,NULL,1,1,1700000000.0,1700000000.0);
CREATE TABLE runwright_schema (name TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO "runwright_schema" VALUES('sessions',1);
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
INSERT INTO "session" VALUES(1,1,1,'first',3,2,1,1700000002.5,1700000000.0,19675);
INSERT INTO "session" VALUES(2,1,2,'other',0,0,NULL,1700000000.0,1700000000.0,19675);
CREATE TABLE session_state (
    session INTEGER NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (session, key)
) WITHOUT ROWID;
INSERT INTO "session_state" VALUES(1,'topic','"sums"');
CREATE TABLE store (
    number INTEGER PRIMARY KEY CHECK (number = 1),
    id TEXT NOT NULL
);
INSERT INTO "store" VALUES(1,'frozen');
CREATE TABLE tool_call (
    number INTEGER PRIMARY KEY,
    session INTEGER NOT NULL,
    invocation_id TEXT NOT NULL,
    call_id TEXT NOT NULL,
    data TEXT NOT NULL,
    UNIQUE (session, invocation_id, call_id)
);
INSERT INTO "tool_call" VALUES(1,1,'second','c1','{"invocationId":"second","callId":"c1","name":"add","attempts":2,"actions":{}}');
CREATE TABLE user (
    number INTEGER PRIMARY KEY,
    app INTEGER NOT NULL,
    id TEXT NOT NULL,
    version INTEGER NOT NULL DEFAULT 0,
    UNIQUE (app, id)
);
INSERT INTO "user" VALUES(1,1,'ann',1);
INSERT INTO "user" VALUES(2,1,'bob',0);
CREATE TABLE user_state (
    user INTEGER NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (user, key)
) WITHOUT ROWID;
INSERT INTO "user_state" VALUES(1,'name','"Ann"',1);
CREATE TABLE writer (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    identity TEXT NOT NULL UNIQUE,
    beat INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX session_of_app ON session (app);
CREATE INDEX session_of_user ON session (user);
CREATE INDEX session_idle ON session (app, day);
CREATE INDEX run_open ON run (session) WHERE status <= 1;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('session',2);
INSERT INTO "sqlite_sequence" VALUES('writer',1);
COMMIT;
