CREATE SCHEMA IF NOT EXISTS auth;

CREATE SCHEMA IF NOT EXISTS storage;

CREATE SCHEMA IF NOT EXISTS realtime;

CREATE SCHEMA IF NOT EXISTS baaskit;

CREATE TABLE auth.users (
  id uuid DEFAULT gen_random_uuid() NOT NULL,
  aud TEXT DEFAULT 'authenticated' NOT NULL,
  role TEXT DEFAULT 'authenticated' NOT NULL,
  email TEXT,
  phone TEXT,
  encrypted_password TEXT,
  email_confirmed_at timestamptz,
  phone_confirmed_at timestamptz,
  invited_at timestamptz,
  confirmation_sent_at timestamptz,
  recovery_sent_at timestamptz,
  email_change_sent_at timestamptz,
  new_email TEXT,
  last_sign_in_at timestamptz,
  banned_until timestamptz,
  deleted_at timestamptz,
  raw_app_meta_data jsonb DEFAULT '{}' NOT NULL,
  raw_user_meta_data jsonb DEFAULT '{}' NOT NULL,
  is_anonymous boolean DEFAULT false NOT NULL,
  created_at timestamptz DEFAULT now() NOT NULL,
  updated_at timestamptz DEFAULT now() NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (email),
  UNIQUE (phone)
);

CREATE TABLE storage.buckets (
  id TEXT NOT NULL,
  name TEXT NOT NULL,
  owner_id TEXT,
  public boolean DEFAULT false NOT NULL,
  file_size_limit BIGINT,
  allowed_mime_types jsonb,
  created_at timestamptz DEFAULT now() NOT NULL,
  updated_at timestamptz DEFAULT now() NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (name)
);

CREATE TABLE realtime.messages (
  id uuid DEFAULT gen_random_uuid() NOT NULL,
  topic TEXT NOT NULL,
  extension TEXT NOT NULL,
  event TEXT,
  payload jsonb,
  private boolean DEFAULT false NOT NULL,
  inserted_at timestamptz DEFAULT now() NOT NULL,
  PRIMARY KEY (id)
);

CREATE INDEX messages_topic_inserted_at_idx ON realtime.messages (topic, inserted_at);

CREATE TABLE baaskit.changes (
  seq BIGSERIAL NOT NULL,
  txid xid8 DEFAULT pg_current_xact_id() NOT NULL,
  table_schema TEXT NOT NULL,
  table_name TEXT NOT NULL,
  op TEXT NOT NULL,
  before jsonb,
  after jsonb,
  at timestamptz DEFAULT now() NOT NULL,
  PRIMARY KEY (seq)
);

CREATE INDEX changes_txid_seq_idx ON baaskit.changes (txid, seq);

CREATE TABLE baaskit.cursors (
  name TEXT NOT NULL,
  cursor TEXT NOT NULL,
  updated_at timestamptz DEFAULT now() NOT NULL,
  PRIMARY KEY (name)
);

CREATE TABLE baaskit.dead_letters (
  id uuid DEFAULT gen_random_uuid() NOT NULL,
  function TEXT NOT NULL,
  event_id TEXT NOT NULL,
  event jsonb NOT NULL,
  error TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  created_at timestamptz DEFAULT now() NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT dead_letters_function_event_id_key UNIQUE (function, event_id)
);

CREATE TABLE baaskit.invocations (
  id uuid DEFAULT gen_random_uuid() NOT NULL,
  function TEXT NOT NULL,
  release TEXT NOT NULL,
  trigger TEXT NOT NULL,
  role TEXT NOT NULL,
  user_id TEXT,
  started_at timestamptz NOT NULL,
  queue_ms INTEGER NOT NULL,
  cold boolean DEFAULT false NOT NULL,
  run_ms INTEGER NOT NULL,
  outcome TEXT NOT NULL,
  error TEXT,
  PRIMARY KEY (id)
);

CREATE INDEX invocations_started_at_idx ON baaskit.invocations (started_at);

CREATE TABLE baaskit.state (
  key TEXT NOT NULL,
  value jsonb NOT NULL,
  PRIMARY KEY (key)
);

CREATE TABLE baaskit.policies (
  version SERIAL NOT NULL,
  text TEXT NOT NULL,
  author TEXT NOT NULL,
  note TEXT DEFAULT '' NOT NULL,
  created_at timestamptz DEFAULT now() NOT NULL,
  PRIMARY KEY (version)
);

CREATE TABLE baaskit.migrations (
  name TEXT NOT NULL,
  checksum TEXT NOT NULL,
  applied_at timestamptz DEFAULT now() NOT NULL,
  PRIMARY KEY (name)
);

CREATE TABLE baaskit.columns (
  table_schema TEXT NOT NULL,
  table_name TEXT NOT NULL,
  column_name TEXT NOT NULL,
  pg_type TEXT NOT NULL,
  pg_default TEXT,
  identity TEXT DEFAULT '' NOT NULL,
  labels jsonb,
  comment TEXT DEFAULT '' NOT NULL,
  PRIMARY KEY (table_schema, table_name, column_name)
);

CREATE TABLE baaskit.captures (
  table_schema TEXT NOT NULL,
  table_name TEXT NOT NULL,
  PRIMARY KEY (table_schema, table_name)
);

CREATE TABLE baaskit.admins (
  id uuid DEFAULT gen_random_uuid() NOT NULL,
  email TEXT NOT NULL,
  password_hash TEXT NOT NULL,
  role TEXT NOT NULL,
  created_at timestamptz DEFAULT now() NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT admins_role_check CHECK (role in ('owner','developer','viewer')),
  UNIQUE (email)
);

CREATE TABLE baaskit.audit (
  id uuid DEFAULT gen_random_uuid() NOT NULL,
  at timestamptz DEFAULT now() NOT NULL,
  actor TEXT NOT NULL,
  action TEXT NOT NULL,
  target TEXT DEFAULT '' NOT NULL,
  details jsonb DEFAULT '{}' NOT NULL,
  PRIMARY KEY (id)
);

CREATE INDEX audit_at_idx ON baaskit.audit (at);

CREATE TABLE auth.identities (
  id uuid DEFAULT gen_random_uuid() NOT NULL,
  user_id uuid NOT NULL,
  provider TEXT NOT NULL,
  provider_id TEXT NOT NULL,
  identity_data jsonb DEFAULT '{}' NOT NULL,
  email TEXT,
  last_sign_in_at timestamptz,
  created_at timestamptz DEFAULT now() NOT NULL,
  updated_at timestamptz DEFAULT now() NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT identities_provider_id_key UNIQUE (provider, provider_id),
  FOREIGN KEY(user_id) REFERENCES auth.users (id) ON DELETE CASCADE
);

CREATE INDEX identities_user_id_idx ON auth.identities (user_id);

CREATE TABLE auth.sessions (
  id uuid DEFAULT gen_random_uuid() NOT NULL,
  user_id uuid NOT NULL,
  aal TEXT DEFAULT 'aal1' NOT NULL,
  amr jsonb DEFAULT '[]' NOT NULL,
  user_agent TEXT,
  ip TEXT,
  not_after timestamptz,
  refreshed_at timestamptz,
  created_at timestamptz DEFAULT now() NOT NULL,
  updated_at timestamptz DEFAULT now() NOT NULL,
  PRIMARY KEY (id),
  FOREIGN KEY(user_id) REFERENCES auth.users (id) ON DELETE CASCADE
);

CREATE INDEX sessions_user_id_idx ON auth.sessions (user_id);

CREATE TABLE auth.one_time_tokens (
  id uuid DEFAULT gen_random_uuid() NOT NULL,
  user_id uuid NOT NULL,
  kind TEXT NOT NULL,
  token_hash TEXT NOT NULL,
  relates_to TEXT DEFAULT '' NOT NULL,
  expires_at timestamptz NOT NULL,
  created_at timestamptz DEFAULT now() NOT NULL,
  PRIMARY KEY (id),
  FOREIGN KEY(user_id) REFERENCES auth.users (id) ON DELETE CASCADE,
  UNIQUE (token_hash)
);

CREATE TABLE storage.objects (
  id uuid DEFAULT gen_random_uuid() NOT NULL,
  bucket_id TEXT NOT NULL,
  name TEXT NOT NULL,
  owner_id TEXT,
  version TEXT NOT NULL,
  metadata jsonb DEFAULT '{}' NOT NULL,
  user_metadata jsonb,
  created_at timestamptz DEFAULT now() NOT NULL,
  updated_at timestamptz DEFAULT now() NOT NULL,
  last_accessed_at timestamptz,
  PRIMARY KEY (id),
  CONSTRAINT objects_bucket_id_name_key UNIQUE (bucket_id, name),
  FOREIGN KEY(bucket_id) REFERENCES storage.buckets (id) ON DELETE NO ACTION
);

CREATE TABLE baaskit.admin_sessions (
  id uuid DEFAULT gen_random_uuid() NOT NULL,
  admin_id uuid NOT NULL,
  token_hash TEXT NOT NULL,
  expires_at timestamptz NOT NULL,
  created_at timestamptz DEFAULT now() NOT NULL,
  PRIMARY KEY (id),
  FOREIGN KEY(admin_id) REFERENCES baaskit.admins (id) ON DELETE CASCADE,
  UNIQUE (token_hash)
);

CREATE TABLE auth.refresh_tokens (
  id BIGSERIAL NOT NULL,
  token_hash TEXT NOT NULL,
  parent_id BIGINT,
  session_id uuid NOT NULL,
  revoked boolean DEFAULT false NOT NULL,
  used_at timestamptz,
  created_at timestamptz DEFAULT now() NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (token_hash),
  FOREIGN KEY(session_id) REFERENCES auth.sessions (id) ON DELETE CASCADE
);

CREATE INDEX refresh_tokens_session_id_idx ON auth.refresh_tokens (session_id);

CREATE OR REPLACE FUNCTION baaskit.capture() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = '' SET timezone = 'UTC' AS $$
BEGIN
  INSERT INTO baaskit.changes(table_schema, table_name, op, before, after) VALUES (
    TG_TABLE_SCHEMA, TG_TABLE_NAME, pg_catalog.lower(TG_OP),
    CASE WHEN TG_OP IN ('UPDATE', 'DELETE') THEN pg_catalog.to_jsonb(OLD) END,
    CASE WHEN TG_OP IN ('INSERT', 'UPDATE') THEN pg_catalog.to_jsonb(NEW) END);
  RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION auth.jwt() RETURNS jsonb LANGUAGE sql STABLE AS
$$ SELECT coalesce(nullif(current_setting('request.jwt.claims', true), ''), '{}')::jsonb $$;

CREATE OR REPLACE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE AS $$ SELECT nullif(auth.jwt() ->> 'sub', '')::uuid $$;

CREATE OR REPLACE FUNCTION auth.role() RETURNS text LANGUAGE sql STABLE AS $$ SELECT auth.jwt() ->> 'role' $$;

CREATE OR REPLACE FUNCTION auth.email() RETURNS text LANGUAGE sql STABLE AS $$ SELECT auth.jwt() ->> 'email' $$;
