-- SPDX-License-Identifier: Apache-2.0
-- A database of version 1, as pg_dump tells it. It is never changed.

CREATE TABLE public.runwright_memory_embedder (
    one integer NOT NULL,
    name text NOT NULL,
    dimensions integer NOT NULL,
    CONSTRAINT runwright_memory_embedder_one_check CHECK ((one = 1))
);

CREATE TABLE public.runwright_memory_entries (
    number bigint NOT NULL,
    scope bigint NOT NULL,
    id text NOT NULL,
    words integer NOT NULL,
    data text,
    terms tsvector NOT NULL
);

ALTER TABLE public.runwright_memory_entries ALTER COLUMN number ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.runwright_memory_entries_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.runwright_memory_scopes (
    number bigint NOT NULL,
    app_name text NOT NULL,
    user_id text NOT NULL,
    entries bigint DEFAULT 0 NOT NULL,
    words bigint DEFAULT 0 NOT NULL
);

ALTER TABLE public.runwright_memory_scopes ALTER COLUMN number ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.runwright_memory_scopes_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.runwright_memory_sessions (
    scope bigint NOT NULL,
    session_id text NOT NULL,
    first_event text NOT NULL,
    last_event text NOT NULL
);

CREATE TABLE public.runwright_memory_vectors (
    entry bigint NOT NULL,
    scope bigint NOT NULL,
    vector real[] NOT NULL
);

CREATE TABLE public.runwright_schema (
    name text NOT NULL,
    version integer NOT NULL
);

INSERT INTO public.runwright_memory_embedder VALUES (1, 'hashing-256', 256);

INSERT INTO public.runwright_memory_entries OVERRIDING SYSTEM VALUE VALUES (1, 1, 's-0', 4, '{"content":{"parts":[{"text":"The giraffe eats leaves"}],"role":"user"},"id":"s-0","author":"user","timestamp":"1970-01-01T00:16:40+00:00"}', '''1_eats'':1 ''1_giraffe'':1 ''1_leaves'':1 ''1_the'':1');
INSERT INTO public.runwright_memory_entries OVERRIDING SYSTEM VALUE VALUES (3, 2, 't-0', 17, '{"content":{"parts":[{"text":"私の名前は太郎です"}],"role":"user"},"id":"t-0","author":"user","timestamp":"1970-01-01T00:16:40+00:00"}', '''2_す'':1 ''2_で'':1 ''2_です'':1 ''2_の'':1 ''2_の名'':1 ''2_は'':1 ''2_は太'':1 ''2_前'':1 ''2_前は'':1 ''2_名'':1 ''2_名前'':1 ''2_太'':1 ''2_太郎'':1 ''2_私'':1 ''2_私の'':1 ''2_郎'':1 ''2_郎で'':1');
INSERT INTO public.runwright_memory_entries OVERRIDING SYSTEM VALUE VALUES (4, 1, 's-1', 0, NULL, '');

INSERT INTO public.runwright_memory_scopes OVERRIDING SYSTEM VALUE VALUES (2, 'app', 'v', 1, 17);
INSERT INTO public.runwright_memory_scopes OVERRIDING SYSTEM VALUE VALUES (1, 'app', 'u', 1, 4);

INSERT INTO public.runwright_memory_vectors VALUES (1, 1, '{0,0,0,0,0,0,0,0,0,-0.17677669,0,0,0,0,0,0,0,0,0,0,0,0,0,-0.17677669,0,0.17677669,0,0,0,0,0,0,0,-0.17677669,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,-0.17677669,0,0,0,0,0,0,0,0,0,0.17677669,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.17677669,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,-0.17677669,0,0,0,0,0,0,0,0,-0.17677669,0,0,0,0,0,0,0,0,0,0,0,0,0.17677669,0,0,0,-0.17677669,0,0,0,0.17677669,0,0,0,0,0,0,0,0,0,0,0.17677669,0,-0.17677669,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.17677669,0,0,0,0,0,0,0,0,0,0,0,0,0.17677669,0,0,0,-0.17677669,0,0,0.17677669,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,-0.35355338,0,-0.17677669,0,0,0,0,0,0,0,0,0,0,0,0,-0.53033006,0,0,0,0,0,0,0,0}');
INSERT INTO public.runwright_memory_vectors VALUES (3, 2, '{0,0,0,0,0,0,0,0,0,0,0,0.15075567,-0.15075567,0,0,0,0,0,0,-0.15075567,0,0,0,-0.15075567,0,-0.15075567,0.15075567,0.15075567,0,0,0,0,0,0,-0.15075567,0,0,0,-0.15075567,0,-0.15075567,0,0,0.15075567,0,0,0,0,0.15075567,0,0,0.15075567,0,0,0,0,0.15075567,0,0,0,0,0,0,0,0,0,0,0,-0.15075567,0.15075567,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.15075567,0,0,0,0,-0.15075567,-0.15075567,0,0,0,0,0,0,0,0,0,0,0,-0.30151135,0,0,0,0,-0.15075567,0,0,0,0,-0.15075567,0.15075567,0,0,0,0,0,-0.15075567,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.15075567,0,0,-0.15075567,0,0,0,0,0,0,0,0,0,0,0,0,-0.15075567,0,0.15075567,0,0,0,0,0,0,0,0,0,0,0,0,-0.15075567,0,0,0,0,0,0,-0.15075567,0,0,0,-0.15075567,0,0,0,0,0,0,0,0,0.15075567,0,0,0,-0.15075567,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,-0.15075567,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,-0.30151135,0,0,0,0,0,0,0,0,0,0.15075567,0,0,-0.15075567,0,0,0,0,0.15075567,0,0,0,0}');

INSERT INTO public.runwright_schema VALUES ('memory', 1);

SELECT pg_catalog.setval('public.runwright_memory_entries_number_seq', 4, true);

SELECT pg_catalog.setval('public.runwright_memory_scopes_number_seq', 2, true);

ALTER TABLE ONLY public.runwright_memory_embedder
    ADD CONSTRAINT runwright_memory_embedder_pkey PRIMARY KEY (one);

ALTER TABLE ONLY public.runwright_memory_entries
    ADD CONSTRAINT runwright_memory_entries_pkey PRIMARY KEY (number);

ALTER TABLE ONLY public.runwright_memory_entries
    ADD CONSTRAINT runwright_memory_entries_scope_id_key UNIQUE (scope, id);

ALTER TABLE ONLY public.runwright_memory_scopes
    ADD CONSTRAINT runwright_memory_scopes_app_name_user_id_key UNIQUE (app_name, user_id);

ALTER TABLE ONLY public.runwright_memory_scopes
    ADD CONSTRAINT runwright_memory_scopes_pkey PRIMARY KEY (number);

ALTER TABLE ONLY public.runwright_memory_sessions
    ADD CONSTRAINT runwright_memory_sessions_pkey PRIMARY KEY (scope, session_id);

ALTER TABLE ONLY public.runwright_memory_vectors
    ADD CONSTRAINT runwright_memory_vectors_pkey PRIMARY KEY (entry);

ALTER TABLE ONLY public.runwright_schema
    ADD CONSTRAINT runwright_schema_pkey PRIMARY KEY (name);

CREATE INDEX runwright_memory_entries_terms ON public.runwright_memory_entries USING gin (terms);

CREATE INDEX runwright_memory_vectors_scope ON public.runwright_memory_vectors USING btree (scope);

ALTER TABLE ONLY public.runwright_memory_entries
    ADD CONSTRAINT runwright_memory_entries_scope_fkey FOREIGN KEY (scope) REFERENCES public.runwright_memory_scopes(number);

ALTER TABLE ONLY public.runwright_memory_sessions
    ADD CONSTRAINT runwright_memory_sessions_scope_fkey FOREIGN KEY (scope) REFERENCES public.runwright_memory_scopes(number);

ALTER TABLE ONLY public.runwright_memory_vectors
    ADD CONSTRAINT runwright_memory_vectors_entry_fkey FOREIGN KEY (entry) REFERENCES public.runwright_memory_entries(number) ON DELETE CASCADE;
