-- SPDX-License-Identifier: Apache-2.0

-- One row for each user of each app, with what BM25 needs to know of their entries as a whole.
CREATE TABLE runwright_memory_scopes (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    app_name text NOT NULL,
    user_id text NOT NULL,
    entries bigint NOT NULL DEFAULT 0,
    words bigint NOT NULL DEFAULT 0,
    UNIQUE (app_name, user_id)
);

-- An entry whose data is NULL was forgotten: its id stays, so that it does not come back with its session.
-- The terms are its words, each with its scope's number before it (12_giraffe): every scope has a part of the index to
-- itself, so a search reads nothing of others, and what others remember changes no ranking.
CREATE TABLE runwright_memory_entries (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    scope bigint NOT NULL REFERENCES runwright_memory_scopes (number),
    id text NOT NULL,
    words integer NOT NULL,
    data text,
    terms tsvector NOT NULL,
    UNIQUE (scope, id)
);
CREATE INDEX runwright_memory_entries_terms ON runwright_memory_entries USING gin (terms);

-- How far a session's log was added: all from the first to the last of these events.
CREATE TABLE runwright_memory_sessions (
    scope bigint NOT NULL REFERENCES runwright_memory_scopes (number),
    session_id text NOT NULL,
    first_event text NOT NULL,
    last_event text NOT NULL,
    PRIMARY KEY (scope, session_id)
);

-- Who made the vectors: one row, or none while there are no vectors.
CREATE TABLE runwright_memory_embedder (
    one integer PRIMARY KEY CHECK (one = 1),
    name text NOT NULL,
    dimensions integer NOT NULL
);

-- Vectors of length one. They are plain arrays, which pgvector reads where it is there, and nothing needs it to be.
CREATE TABLE runwright_memory_vectors (
    entry bigint PRIMARY KEY REFERENCES runwright_memory_entries (number) ON DELETE CASCADE,
    scope bigint NOT NULL,
    vector real[] NOT NULL
);
CREATE INDEX runwright_memory_vectors_scope ON runwright_memory_vectors (scope);
