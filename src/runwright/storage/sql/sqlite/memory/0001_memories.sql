-- SPDX-License-Identifier: Apache-2.0

-- One row for each user of each app, with what BM25 needs to know of their entries as a whole.
CREATE TABLE memory_scopes (
    number INTEGER PRIMARY KEY,
    app_name TEXT NOT NULL,
    user_id TEXT NOT NULL,
    entries INTEGER NOT NULL DEFAULT 0,
    words INTEGER NOT NULL DEFAULT 0,
    UNIQUE (app_name, user_id)
);

-- An entry whose data is NULL was forgotten: its id stays, so that it does not come back with its session.
-- A number is never used twice: what is known of an entry by its number is not taken for another.
CREATE TABLE memory_entries (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    scope INTEGER NOT NULL,
    id TEXT NOT NULL,
    words INTEGER NOT NULL,
    data TEXT,
    UNIQUE (scope, id)
);

-- The words of an entry, each with its scope's number before it (12_giraffe): every scope has an index of its own, so
-- a search reads nothing of others, and what others remember changes no ranking. The tokenizer keeps our words whole.
CREATE VIRTUAL TABLE memory_words USING fts5 (words, columnsize = 0, tokenize = "ascii tokenchars '_'");

-- How many entries have a word, and where each word is.
CREATE VIRTUAL TABLE memory_word_counts USING fts5vocab (memory_words, row);
CREATE VIRTUAL TABLE memory_word_places USING fts5vocab (memory_words, instance);

-- How far a session's log was added: all from the first to the last of these events.
CREATE TABLE memory_sessions (
    scope INTEGER NOT NULL,
    session_id TEXT NOT NULL,
    first_event TEXT NOT NULL,
    last_event TEXT NOT NULL,
    PRIMARY KEY (scope, session_id)
) WITHOUT ROWID;

-- Who made the vectors: one row, or none while there are no vectors.
CREATE TABLE memory_embedder (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    name TEXT NOT NULL,
    dimensions INTEGER NOT NULL
);

-- Vectors of length one, as 32-bit floats, lowest byte first. Those of a scope stand together.
CREATE TABLE memory_vectors (
    scope INTEGER NOT NULL,
    entry INTEGER NOT NULL,
    vector BLOB NOT NULL,
    PRIMARY KEY (scope, entry)
) WITHOUT ROWID;
