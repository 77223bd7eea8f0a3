-- SPDX-License-Identifier: Apache-2.0
-- A database of version 1, as pg_dump tells it. It is never changed.


CREATE TABLE public.runwright_call (
    session bigint NOT NULL,
    invocation_id text NOT NULL,
    call_id text NOT NULL,
    number bigint NOT NULL,
    data text NOT NULL
)
WITH (fillfactor='85');

ALTER TABLE public.runwright_call ALTER COLUMN number ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.runwright_call_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.runwright_event (
    session bigint NOT NULL,
    seq bigint NOT NULL,
    "timestamp" double precision NOT NULL,
    data text NOT NULL
);

CREATE TABLE public.runwright_run (
    session bigint NOT NULL,
    invocation_id text NOT NULL,
    number bigint NOT NULL,
    status text NOT NULL,
    error text,
    epoch bigint NOT NULL,
    start_time double precision NOT NULL,
    update_time double precision NOT NULL
)
WITH (fillfactor='85');

ALTER TABLE public.runwright_run ALTER COLUMN number ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.runwright_run_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.runwright_schema (
    name text NOT NULL,
    version integer NOT NULL
);

CREATE TABLE public.runwright_scope (
    number bigint NOT NULL,
    app_name text NOT NULL,
    is_user boolean NOT NULL,
    user_id text NOT NULL,
    version bigint DEFAULT 0 NOT NULL
)
WITH (fillfactor='70');

ALTER TABLE public.runwright_scope ALTER COLUMN number ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.runwright_scope_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.runwright_session (
    number bigint NOT NULL,
    app_name text NOT NULL,
    user_id text NOT NULL,
    id text NOT NULL,
    token bigint NOT NULL,
    app_scope bigint NOT NULL,
    user_scope bigint NOT NULL,
    head bigint DEFAULT 0 NOT NULL,
    epoch bigint DEFAULT 0 NOT NULL,
    writer bigint,
    run text,
    update_time double precision NOT NULL,
    written double precision NOT NULL,
    followed_until timestamp with time zone
)
WITH (fillfactor='70');

ALTER TABLE public.runwright_session ALTER COLUMN number ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.runwright_session_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.runwright_session_state (
    session bigint NOT NULL,
    key text NOT NULL,
    data text NOT NULL
)
WITH (fillfactor='85');

CREATE TABLE public.runwright_shared_state (
    scope bigint NOT NULL,
    key text NOT NULL,
    version bigint NOT NULL,
    data text NOT NULL
);

CREATE TABLE public.runwright_writer (
    number bigint NOT NULL,
    identity text NOT NULL,
    beat bigint DEFAULT 0 NOT NULL
)
WITH (fillfactor='50');

ALTER TABLE public.runwright_writer ALTER COLUMN number ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.runwright_writer_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

INSERT INTO public.runwright_call OVERRIDING SYSTEM VALUE VALUES (1, 'i', 'c', 1, '{"invocationId":"i","callId":"c","name":"f","status":"finished","response":{"id":"c","name":"f","response":{"result":1}},"actions":{}}');

INSERT INTO public.runwright_event VALUES (1, 1, 1000, '{"content":{"parts":[{"text":"hello"}],"role":"user"},"author":"user","actions":{"stateDelta":{"k":[1,null],"user:\u0000":{"a":1},"app:k":"shared"}},"nodeInfo":{},"id":"cfa237c1-11d2-4073-ba6a-a5f4b6cb29b0","timestamp":1000.0}');
INSERT INTO public.runwright_event VALUES (1, 2, 1001, '{"content":{"parts":[{"text":"nul \u0000 and 文字"}],"role":"user"},"author":"agent","actions":{},"nodeInfo":{},"id":"cf1e3d71-8920-43cb-b192-6422c7009db2","timestamp":1001.0}');
INSERT INTO public.runwright_event VALUES (1, 3, 1002, '{"content":{"parts":[{"text":"bye"}],"role":"user"},"author":"user","actions":{},"nodeInfo":{},"id":"05a490cf-a617-4a49-9f45-df6e434b0388","timestamp":1002.0}');

INSERT INTO public.runwright_run OVERRIDING SYSTEM VALUE VALUES (1, 'i', 1, 'completed', NULL, 1, 1795259563.802193, 1795259563.8168132);
INSERT INTO public.runwright_run OVERRIDING SYSTEM VALUE VALUES (1, 'j', 2, 'running', NULL, 2, 1795259563.8231592, 1795259563.8231592);

INSERT INTO public.runwright_schema VALUES ('sessions', 1);

INSERT INTO public.runwright_scope OVERRIDING SYSTEM VALUE VALUES (1, 'app', false, '', 1);
INSERT INTO public.runwright_scope OVERRIDING SYSTEM VALUE VALUES (2, 'app', true, 'u', 1);
INSERT INTO public.runwright_scope OVERRIDING SYSTEM VALUE VALUES (4, 'app', true, 'v', 0);

INSERT INTO public.runwright_session OVERRIDING SYSTEM VALUE VALUES (1, 'app', 'u', 'a \\ \0', 6246756330874443116, 1, 2, 3, 2, 1, 'j', 1002, 1795259563.8231592, NULL);
INSERT INTO public.runwright_session OVERRIDING SYSTEM VALUE VALUES (2, 'app', 'v', 'b', 4145412057755638373, 1, 4, 0, 0, NULL, NULL, 1795259563.8247795, 1795259563.8247795, NULL);

INSERT INTO public.runwright_session_state VALUES (1, 'k', '[1,null]');

INSERT INTO public.runwright_shared_state VALUES (1, 'k', 1, '"shared"');
INSERT INTO public.runwright_shared_state VALUES (2, '\0', 1, '{"a":1}');

SELECT pg_catalog.setval('public.runwright_call_number_seq', 1, true);

SELECT pg_catalog.setval('public.runwright_run_number_seq', 2, true);

SELECT pg_catalog.setval('public.runwright_scope_number_seq', 4, true);

SELECT pg_catalog.setval('public.runwright_session_number_seq', 2, true);

SELECT pg_catalog.setval('public.runwright_writer_number_seq', 1, true);

ALTER TABLE ONLY public.runwright_call
    ADD CONSTRAINT runwright_call_pkey PRIMARY KEY (session, invocation_id, call_id);

ALTER TABLE ONLY public.runwright_event
    ADD CONSTRAINT runwright_event_pkey PRIMARY KEY (session, seq);

ALTER TABLE ONLY public.runwright_run
    ADD CONSTRAINT runwright_run_pkey PRIMARY KEY (session, invocation_id);

ALTER TABLE ONLY public.runwright_schema
    ADD CONSTRAINT runwright_schema_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.runwright_scope
    ADD CONSTRAINT runwright_scope_app_name_is_user_user_id_key UNIQUE (app_name, is_user, user_id);

ALTER TABLE ONLY public.runwright_scope
    ADD CONSTRAINT runwright_scope_pkey PRIMARY KEY (number);

ALTER TABLE ONLY public.runwright_session
    ADD CONSTRAINT runwright_session_app_name_user_id_id_key UNIQUE (app_name, user_id, id);

ALTER TABLE ONLY public.runwright_session
    ADD CONSTRAINT runwright_session_pkey PRIMARY KEY (number);

ALTER TABLE ONLY public.runwright_session_state
    ADD CONSTRAINT runwright_session_state_pkey PRIMARY KEY (session, key);

ALTER TABLE ONLY public.runwright_shared_state
    ADD CONSTRAINT runwright_shared_state_pkey PRIMARY KEY (scope, key);

ALTER TABLE ONLY public.runwright_writer
    ADD CONSTRAINT runwright_writer_pkey PRIMARY KEY (number);

CREATE INDEX runwright_run_open ON public.runwright_run USING btree (session) WHERE (status = ANY (ARRAY['running'::text, 'paused'::text]));

CREATE INDEX runwright_session_of_app ON public.runwright_session USING btree (app_name, number);

CREATE INDEX runwright_session_of_user ON public.runwright_session USING btree (app_name, user_id, number);

CREATE INDEX runwright_shared_state_version ON public.runwright_shared_state USING btree (scope, version);
