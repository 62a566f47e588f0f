SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
CREATE SCHEMA auth;
CREATE SCHEMA baaskit;
CREATE SCHEMA realtime;
CREATE SCHEMA storage;
CREATE TYPE public.mood AS ENUM (
    'happy',
    'sad'
);
CREATE FUNCTION auth.email() RETURNS text
    LANGUAGE sql STABLE
    AS $$ SELECT auth.jwt() ->> 'email' $$;
CREATE FUNCTION auth.jwt() RETURNS jsonb
    LANGUAGE sql STABLE
    AS $$ SELECT coalesce(nullif(current_setting('request.jwt.claims', true), ''), '{}')::jsonb $$;
CREATE FUNCTION auth.role() RETURNS text
    LANGUAGE sql STABLE
    AS $$ SELECT auth.jwt() ->> 'role' $$;
CREATE FUNCTION auth.uid() RETURNS uuid
    LANGUAGE sql STABLE
    AS $$ SELECT nullif(auth.jwt() ->> 'sub', '')::uuid $$;
CREATE FUNCTION baaskit.capture() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET "TimeZone" TO 'UTC'
    AS $$
BEGIN
  INSERT INTO baaskit.changes(table_schema, table_name, op, before, after) VALUES (
    TG_TABLE_SCHEMA, TG_TABLE_NAME, pg_catalog.lower(TG_OP),
    CASE WHEN TG_OP IN ('UPDATE', 'DELETE') THEN pg_catalog.to_jsonb(OLD) END,
    CASE WHEN TG_OP IN ('INSERT', 'UPDATE') THEN pg_catalog.to_jsonb(NEW) END);
  RETURN NULL;
END $$;
SET default_tablespace = '';
CREATE TABLE auth.identities (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    user_id uuid NOT NULL,
    provider text NOT NULL,
    provider_id text NOT NULL,
    identity_data jsonb DEFAULT '{}'::jsonb NOT NULL,
    email text,
    last_sign_in_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE auth.one_time_tokens (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    user_id uuid NOT NULL,
    kind text NOT NULL,
    token_hash text NOT NULL,
    relates_to text DEFAULT ''::text NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE auth.refresh_tokens (
    id bigint NOT NULL,
    token_hash text NOT NULL,
    parent_id bigint,
    session_id uuid NOT NULL,
    revoked boolean DEFAULT false NOT NULL,
    used_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE SEQUENCE auth.refresh_tokens_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE auth.refresh_tokens_id_seq OWNED BY auth.refresh_tokens.id;
CREATE TABLE auth.sessions (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    user_id uuid NOT NULL,
    aal text DEFAULT 'aal1'::text NOT NULL,
    amr jsonb DEFAULT '[]'::jsonb NOT NULL,
    user_agent text,
    ip text,
    not_after timestamp with time zone,
    refreshed_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE auth.users (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    aud text DEFAULT 'authenticated'::text NOT NULL,
    role text DEFAULT 'authenticated'::text NOT NULL,
    email text,
    phone text,
    encrypted_password text,
    email_confirmed_at timestamp with time zone,
    phone_confirmed_at timestamp with time zone,
    invited_at timestamp with time zone,
    confirmation_sent_at timestamp with time zone,
    recovery_sent_at timestamp with time zone,
    email_change_sent_at timestamp with time zone,
    new_email text,
    last_sign_in_at timestamp with time zone,
    banned_until timestamp with time zone,
    deleted_at timestamp with time zone,
    raw_app_meta_data jsonb DEFAULT '{}'::jsonb NOT NULL,
    raw_user_meta_data jsonb DEFAULT '{}'::jsonb NOT NULL,
    is_anonymous boolean DEFAULT false NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE baaskit.admin_sessions (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    admin_id uuid NOT NULL,
    token_hash text NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE baaskit.admins (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    email text NOT NULL,
    password_hash text NOT NULL,
    role text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT admins_role_check CHECK ((role = ANY (ARRAY['owner'::text, 'developer'::text, 'viewer'::text])))
);
CREATE TABLE baaskit.alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE baaskit.audit (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    target text DEFAULT ''::text NOT NULL,
    details jsonb DEFAULT '{}'::jsonb NOT NULL
);
CREATE TABLE baaskit.captures (
    table_schema text NOT NULL,
    table_name text NOT NULL
);
CREATE TABLE baaskit.changes (
    seq bigint NOT NULL,
    txid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    table_schema text NOT NULL,
    table_name text NOT NULL,
    op text NOT NULL,
    before jsonb,
    after jsonb,
    at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE SEQUENCE baaskit.changes_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE baaskit.changes_seq_seq OWNED BY baaskit.changes.seq;
CREATE TABLE baaskit.columns (
    table_schema text NOT NULL,
    table_name text NOT NULL,
    column_name text NOT NULL,
    pg_type text NOT NULL,
    pg_default text,
    identity text DEFAULT ''::text NOT NULL,
    labels jsonb,
    comment text DEFAULT ''::text NOT NULL
);
CREATE TABLE baaskit.cursors (
    name text NOT NULL,
    cursor text NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE baaskit.dead_letters (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    function text NOT NULL,
    event_id text NOT NULL,
    event jsonb NOT NULL,
    error text NOT NULL,
    attempts integer NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE baaskit.invocations (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    function text NOT NULL,
    release text NOT NULL,
    trigger text NOT NULL,
    role text NOT NULL,
    user_id text,
    started_at timestamp with time zone NOT NULL,
    queue_ms integer NOT NULL,
    cold boolean DEFAULT false NOT NULL,
    run_ms integer NOT NULL,
    outcome text NOT NULL,
    error text
);
CREATE TABLE baaskit.migrations (
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE baaskit.policies (
    version integer NOT NULL,
    text text NOT NULL,
    author text NOT NULL,
    note text DEFAULT ''::text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE SEQUENCE baaskit.policies_version_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE baaskit.policies_version_seq OWNED BY baaskit.policies.version;
CREATE TABLE baaskit.state (
    key text NOT NULL,
    value jsonb NOT NULL
);
CREATE TABLE public.pets (
    id bigint NOT NULL,
    name text NOT NULL,
    mood public.mood DEFAULT 'happy'::public.mood NOT NULL,
    price numeric(8,2),
    tags text[],
    born timestamp with time zone DEFAULT now() NOT NULL,
    owner_id uuid
);
CREATE VIEW public.cheap AS
 SELECT id,
    name
   FROM public.pets
  WHERE (price < (10)::numeric);
ALTER TABLE public.pets ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.pets_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE realtime.messages (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    topic text NOT NULL,
    extension text NOT NULL,
    event text,
    payload jsonb,
    private boolean DEFAULT false NOT NULL,
    inserted_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE storage.buckets (
    id text NOT NULL,
    name text NOT NULL,
    owner_id text,
    public boolean DEFAULT false NOT NULL,
    file_size_limit bigint,
    allowed_mime_types jsonb,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE storage.objects (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    bucket_id text NOT NULL,
    name text NOT NULL,
    owner_id text,
    version text NOT NULL,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    user_metadata jsonb,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    last_accessed_at timestamp with time zone
);
ALTER TABLE ONLY auth.refresh_tokens ALTER COLUMN id SET DEFAULT nextval('auth.refresh_tokens_id_seq'::regclass);
ALTER TABLE ONLY baaskit.changes ALTER COLUMN seq SET DEFAULT nextval('baaskit.changes_seq_seq'::regclass);
ALTER TABLE ONLY baaskit.policies ALTER COLUMN version SET DEFAULT nextval('baaskit.policies_version_seq'::regclass);
INSERT INTO auth.identities VALUES ('10f535aa-cbd2-44a3-9e16-cf6743129cc2', '4525d9fd-c776-40b1-8f05-516a93ad57a5', 'email', '4525d9fd-c776-40b1-8f05-516a93ad57a5', '{"a": 1}', NULL, NULL, '2026-11-21 12:51:41.607909+00', '2026-11-21 12:51:41.607909+00');
INSERT INTO auth.refresh_tokens VALUES (1, 'f00d', NULL, '68db63b4-89aa-405a-9aee-202127b82216', false, NULL, '2026-11-21 12:51:41.607909+00');
INSERT INTO auth.sessions VALUES ('68db63b4-89aa-405a-9aee-202127b82216', '4525d9fd-c776-40b1-8f05-516a93ad57a5', 'aal1', '[]', NULL, '127.0.0.1', NULL, NULL, '2026-11-21 12:51:41.607909+00', '2026-11-21 12:51:41.607909+00');
INSERT INTO auth.users VALUES ('4525d9fd-c776-40b1-8f05-516a93ad57a5', 'authenticated', 'authenticated', 'ann@example.com', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '{}', '{"name": "Änn"}', false, '2026-11-21 12:51:41.607909+00', '2026-11-21 12:51:41.607909+00');
INSERT INTO baaskit.admins VALUES ('672751f5-6b41-48c5-a19f-3e4f5a43c35a', 'admin@example.com', 'x', 'owner', '2026-11-21 12:51:41.607909+00');
INSERT INTO baaskit.alembic_version VALUES ('0001');
INSERT INTO baaskit.audit VALUES ('171e20f0-9f67-4826-9e66-b625f9cad4b0', '2026-11-21 12:51:41.607909+00', 'admin@example.com', 'signed in', '', '{}');
INSERT INTO baaskit.captures VALUES ('public', 'pets');
INSERT INTO baaskit.changes VALUES (1, '755', 'public', 'pets', 'insert', NULL, '{"id": 1, "born": "2026-11-21T12:51:41.358337+00:00", "mood": "happy", "name": "Rex", "tags": ["a", "b"], "price": 12.50, "owner_id": null}', '2026-11-21 12:51:41.358337+00');
INSERT INTO baaskit.changes VALUES (2, '755', 'public', 'pets', 'insert', NULL, '{"id": 2, "born": "2026-11-21T12:51:41.358337+00:00", "mood": "happy", "name": "Tom", "tags": null, "price": 3.00, "owner_id": null}', '2026-11-21 12:51:41.358337+00');
INSERT INTO baaskit.migrations VALUES ('0001_pets.sql', '4696caaad19b7acbecf4cbdc3d98aebf4f9aa117635b6d65b4e998dd55cd834a', '2026-11-21 12:51:41.358337+00');
INSERT INTO baaskit.policies VALUES (1, 'create policy "everybody reads" on pets for select using (true);
create policy "owners write" on pets for update using (owner_id = auth.uid());
', 'policies.sql', '', '2026-11-21 12:51:41.601726+00');
INSERT INTO public.pets VALUES (1, 'Rex', 'happy', 12.50, '{a,b}', '2026-11-21 12:51:41.358337+00', NULL);
INSERT INTO public.pets VALUES (2, 'Tom', 'happy', 3.00, NULL, '2026-11-21 12:51:41.358337+00', NULL);
INSERT INTO storage.buckets VALUES ('photos', 'photos', NULL, true, NULL, NULL, '2026-11-21 12:51:41.607909+00', '2026-11-21 12:51:41.607909+00');
INSERT INTO storage.objects VALUES ('d20dc91a-5d07-420b-98c7-a1447be9a103', 'photos', 'a/b.png', '4525d9fd-c776-40b1-8f05-516a93ad57a5', '1', '{}', NULL, '2026-11-21 12:51:41.607909+00', '2026-11-21 12:51:41.607909+00', NULL);
SELECT pg_catalog.setval('auth.refresh_tokens_id_seq', 1, true);
SELECT pg_catalog.setval('baaskit.changes_seq_seq', 2, true);
SELECT pg_catalog.setval('baaskit.policies_version_seq', 1, false);
SELECT pg_catalog.setval('public.pets_id_seq', 2, true);
ALTER TABLE ONLY auth.identities
    ADD CONSTRAINT identities_pkey PRIMARY KEY (id);
ALTER TABLE ONLY auth.identities
    ADD CONSTRAINT identities_provider_id_key UNIQUE (provider, provider_id);
ALTER TABLE ONLY auth.one_time_tokens
    ADD CONSTRAINT one_time_tokens_pkey PRIMARY KEY (id);
ALTER TABLE ONLY auth.one_time_tokens
    ADD CONSTRAINT one_time_tokens_token_hash_key UNIQUE (token_hash);
ALTER TABLE ONLY auth.refresh_tokens
    ADD CONSTRAINT refresh_tokens_pkey PRIMARY KEY (id);
ALTER TABLE ONLY auth.refresh_tokens
    ADD CONSTRAINT refresh_tokens_token_hash_key UNIQUE (token_hash);
ALTER TABLE ONLY auth.sessions
    ADD CONSTRAINT sessions_pkey PRIMARY KEY (id);
ALTER TABLE ONLY auth.users
    ADD CONSTRAINT users_email_key UNIQUE (email);
ALTER TABLE ONLY auth.users
    ADD CONSTRAINT users_phone_key UNIQUE (phone);
ALTER TABLE ONLY auth.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);
ALTER TABLE ONLY baaskit.admin_sessions
    ADD CONSTRAINT admin_sessions_pkey PRIMARY KEY (id);
ALTER TABLE ONLY baaskit.admin_sessions
    ADD CONSTRAINT admin_sessions_token_hash_key UNIQUE (token_hash);
ALTER TABLE ONLY baaskit.admins
    ADD CONSTRAINT admins_email_key UNIQUE (email);
ALTER TABLE ONLY baaskit.admins
    ADD CONSTRAINT admins_pkey PRIMARY KEY (id);
ALTER TABLE ONLY baaskit.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY baaskit.audit
    ADD CONSTRAINT audit_pkey PRIMARY KEY (id);
ALTER TABLE ONLY baaskit.captures
    ADD CONSTRAINT captures_pkey PRIMARY KEY (table_schema, table_name);
ALTER TABLE ONLY baaskit.changes
    ADD CONSTRAINT changes_pkey PRIMARY KEY (seq);
ALTER TABLE ONLY baaskit.columns
    ADD CONSTRAINT columns_pkey PRIMARY KEY (table_schema, table_name, column_name);
ALTER TABLE ONLY baaskit.cursors
    ADD CONSTRAINT cursors_pkey PRIMARY KEY (name);
ALTER TABLE ONLY baaskit.dead_letters
    ADD CONSTRAINT dead_letters_function_event_id_key UNIQUE (function, event_id);
ALTER TABLE ONLY baaskit.dead_letters
    ADD CONSTRAINT dead_letters_pkey PRIMARY KEY (id);
ALTER TABLE ONLY baaskit.invocations
    ADD CONSTRAINT invocations_pkey PRIMARY KEY (id);
ALTER TABLE ONLY baaskit.migrations
    ADD CONSTRAINT migrations_pkey PRIMARY KEY (name);
ALTER TABLE ONLY baaskit.policies
    ADD CONSTRAINT policies_pkey PRIMARY KEY (version);
ALTER TABLE ONLY baaskit.state
    ADD CONSTRAINT state_pkey PRIMARY KEY (key);
ALTER TABLE ONLY public.pets
    ADD CONSTRAINT pets_pkey PRIMARY KEY (id);
ALTER TABLE ONLY realtime.messages
    ADD CONSTRAINT messages_pkey PRIMARY KEY (id);
ALTER TABLE ONLY storage.buckets
    ADD CONSTRAINT buckets_name_key UNIQUE (name);
ALTER TABLE ONLY storage.buckets
    ADD CONSTRAINT buckets_pkey PRIMARY KEY (id);
ALTER TABLE ONLY storage.objects
    ADD CONSTRAINT objects_bucket_id_name_key UNIQUE (bucket_id, name);
ALTER TABLE ONLY storage.objects
    ADD CONSTRAINT objects_pkey PRIMARY KEY (id);
CREATE INDEX identities_user_id_idx ON auth.identities USING btree (user_id);
CREATE INDEX refresh_tokens_session_id_idx ON auth.refresh_tokens USING btree (session_id);
CREATE INDEX sessions_user_id_idx ON auth.sessions USING btree (user_id);
CREATE INDEX audit_at_idx ON baaskit.audit USING btree (at);
CREATE INDEX changes_txid_seq_idx ON baaskit.changes USING btree (txid, seq);
CREATE INDEX invocations_started_at_idx ON baaskit.invocations USING btree (started_at);
CREATE INDEX pets_name_idx ON public.pets USING btree (name);
CREATE INDEX messages_topic_inserted_at_idx ON realtime.messages USING btree (topic, inserted_at);
CREATE TRIGGER baaskit_capture_rows AFTER INSERT OR DELETE OR UPDATE ON public.pets FOR EACH ROW EXECUTE FUNCTION baaskit.capture();
CREATE TRIGGER baaskit_capture_truncate AFTER TRUNCATE ON public.pets FOR EACH STATEMENT EXECUTE FUNCTION baaskit.capture();
ALTER TABLE ONLY auth.identities
    ADD CONSTRAINT identities_user_id_fkey FOREIGN KEY (user_id) REFERENCES auth.users(id) ON DELETE CASCADE;
ALTER TABLE ONLY auth.one_time_tokens
    ADD CONSTRAINT one_time_tokens_user_id_fkey FOREIGN KEY (user_id) REFERENCES auth.users(id) ON DELETE CASCADE;
ALTER TABLE ONLY auth.refresh_tokens
    ADD CONSTRAINT refresh_tokens_session_id_fkey FOREIGN KEY (session_id) REFERENCES auth.sessions(id) ON DELETE CASCADE;
ALTER TABLE ONLY auth.sessions
    ADD CONSTRAINT sessions_user_id_fkey FOREIGN KEY (user_id) REFERENCES auth.users(id) ON DELETE CASCADE;
ALTER TABLE ONLY baaskit.admin_sessions
    ADD CONSTRAINT admin_sessions_admin_id_fkey FOREIGN KEY (admin_id) REFERENCES baaskit.admins(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.pets
    ADD CONSTRAINT pets_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES auth.users(id);
ALTER TABLE ONLY storage.objects
    ADD CONSTRAINT objects_bucket_id_fkey FOREIGN KEY (bucket_id) REFERENCES storage.buckets(id);
