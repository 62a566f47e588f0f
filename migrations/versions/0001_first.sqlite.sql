CREATE TABLE "auth.users" (
  id TEXT DEFAULT (lower(hex(randomblob(4))||'-'||hex(randomblob(2))||'-4'||substr(hex(randomblob(2)),2)||'-'||substr('89ab',1+(random()&3),1)||substr(hex(randomblob(2)),2)||'-'||hex(randomblob(6)))) NOT NULL,
  aud TEXT DEFAULT 'authenticated' NOT NULL,
  role TEXT DEFAULT 'authenticated' NOT NULL,
  email TEXT,
  phone TEXT,
  encrypted_password TEXT,
  email_confirmed_at TEXT,
  phone_confirmed_at TEXT,
  invited_at TEXT,
  confirmation_sent_at TEXT,
  recovery_sent_at TEXT,
  email_change_sent_at TEXT,
  new_email TEXT,
  last_sign_in_at TEXT,
  banned_until TEXT,
  deleted_at TEXT,
  raw_app_meta_data TEXT DEFAULT '{}' NOT NULL,
  raw_user_meta_data TEXT DEFAULT '{}' NOT NULL,
  is_anonymous BOOLEAN DEFAULT 0 NOT NULL,
  created_at TEXT DEFAULT (rtrim(rtrim(strftime('%Y-%m-%dT%H:%M:%f','now'),'0'),'.')||'+00:00') NOT NULL,
  updated_at TEXT DEFAULT (rtrim(rtrim(strftime('%Y-%m-%dT%H:%M:%f','now'),'0'),'.')||'+00:00') NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (email),
  UNIQUE (phone)
);

CREATE TABLE "storage.buckets" (
  id TEXT NOT NULL,
  name TEXT NOT NULL,
  owner_id TEXT,
  public BOOLEAN DEFAULT 0 NOT NULL,
  file_size_limit BIGINT,
  allowed_mime_types TEXT,
  created_at TEXT DEFAULT (rtrim(rtrim(strftime('%Y-%m-%dT%H:%M:%f','now'),'0'),'.')||'+00:00') NOT NULL,
  updated_at TEXT DEFAULT (rtrim(rtrim(strftime('%Y-%m-%dT%H:%M:%f','now'),'0'),'.')||'+00:00') NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (name)
);

CREATE TABLE "realtime.messages" (
  id TEXT DEFAULT (lower(hex(randomblob(4))||'-'||hex(randomblob(2))||'-4'||substr(hex(randomblob(2)),2)||'-'||substr('89ab',1+(random()&3),1)||substr(hex(randomblob(2)),2)||'-'||hex(randomblob(6)))) NOT NULL,
  topic TEXT NOT NULL,
  extension TEXT NOT NULL,
  event TEXT,
  payload TEXT,
  private BOOLEAN DEFAULT 0 NOT NULL,
  inserted_at TEXT DEFAULT (rtrim(rtrim(strftime('%Y-%m-%dT%H:%M:%f','now'),'0'),'.')||'+00:00') NOT NULL,
  PRIMARY KEY (id)
);

CREATE INDEX messages_topic_inserted_at_idx ON "realtime.messages" (topic, inserted_at);

CREATE TABLE "baaskit.changes" (
  seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  txid INTEGER DEFAULT 0 NOT NULL,
  table_schema TEXT NOT NULL,
  table_name TEXT NOT NULL,
  op TEXT NOT NULL,
  "before" TEXT,
  "after" TEXT,
  at TEXT DEFAULT (rtrim(rtrim(strftime('%Y-%m-%dT%H:%M:%f','now'),'0'),'.')||'+00:00') NOT NULL
);

CREATE TABLE "baaskit.cursors" (
  name TEXT NOT NULL,
  cursor TEXT NOT NULL,
  updated_at TEXT DEFAULT (rtrim(rtrim(strftime('%Y-%m-%dT%H:%M:%f','now'),'0'),'.')||'+00:00') NOT NULL,
  PRIMARY KEY (name)
);

CREATE TABLE "baaskit.dead_letters" (
  id TEXT DEFAULT (lower(hex(randomblob(4))||'-'||hex(randomblob(2))||'-4'||substr(hex(randomblob(2)),2)||'-'||substr('89ab',1+(random()&3),1)||substr(hex(randomblob(2)),2)||'-'||hex(randomblob(6)))) NOT NULL,
  function TEXT NOT NULL,
  event_id TEXT NOT NULL,
  event TEXT NOT NULL,
  error TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  created_at TEXT DEFAULT (rtrim(rtrim(strftime('%Y-%m-%dT%H:%M:%f','now'),'0'),'.')||'+00:00') NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT dead_letters_function_event_id_key UNIQUE (function, event_id)
);

CREATE TABLE "baaskit.invocations" (
  id TEXT DEFAULT (lower(hex(randomblob(4))||'-'||hex(randomblob(2))||'-4'||substr(hex(randomblob(2)),2)||'-'||substr('89ab',1+(random()&3),1)||substr(hex(randomblob(2)),2)||'-'||hex(randomblob(6)))) NOT NULL,
  function TEXT NOT NULL,
  release TEXT NOT NULL,
  "trigger" TEXT NOT NULL,
  role TEXT NOT NULL,
  user_id TEXT,
  started_at TEXT NOT NULL,
  queue_ms INTEGER NOT NULL,
  cold BOOLEAN DEFAULT 0 NOT NULL,
  run_ms INTEGER NOT NULL,
  outcome TEXT NOT NULL,
  error TEXT,
  PRIMARY KEY (id)
);

CREATE INDEX invocations_started_at_idx ON "baaskit.invocations" (started_at);

CREATE TABLE "baaskit.state" (
  "key" TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY ("key")
);

CREATE TABLE "baaskit.policies" (
  version INTEGER NOT NULL,
  text TEXT NOT NULL,
  author TEXT NOT NULL,
  note TEXT DEFAULT '' NOT NULL,
  created_at TEXT DEFAULT (rtrim(rtrim(strftime('%Y-%m-%dT%H:%M:%f','now'),'0'),'.')||'+00:00') NOT NULL,
  PRIMARY KEY (version)
);

CREATE TABLE "baaskit.migrations" (
  name TEXT NOT NULL,
  checksum TEXT NOT NULL,
  applied_at TEXT DEFAULT (rtrim(rtrim(strftime('%Y-%m-%dT%H:%M:%f','now'),'0'),'.')||'+00:00') NOT NULL,
  PRIMARY KEY (name)
);

CREATE TABLE "baaskit.columns" (
  table_schema TEXT NOT NULL,
  table_name TEXT NOT NULL,
  column_name TEXT NOT NULL,
  pg_type TEXT NOT NULL,
  pg_default TEXT,
  identity TEXT DEFAULT '' NOT NULL,
  labels TEXT,
  comment TEXT DEFAULT '' NOT NULL,
  PRIMARY KEY (table_schema, table_name, column_name)
);

CREATE TABLE "baaskit.captures" (
  table_schema TEXT NOT NULL,
  table_name TEXT NOT NULL,
  PRIMARY KEY (table_schema, table_name)
);

CREATE TABLE "baaskit.admins" (
  id TEXT DEFAULT (lower(hex(randomblob(4))||'-'||hex(randomblob(2))||'-4'||substr(hex(randomblob(2)),2)||'-'||substr('89ab',1+(random()&3),1)||substr(hex(randomblob(2)),2)||'-'||hex(randomblob(6)))) NOT NULL,
  email TEXT NOT NULL,
  password_hash TEXT NOT NULL,
  role TEXT NOT NULL,
  created_at TEXT DEFAULT (rtrim(rtrim(strftime('%Y-%m-%dT%H:%M:%f','now'),'0'),'.')||'+00:00') NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT admins_role_check CHECK (role in ('owner','developer','viewer')),
  UNIQUE (email)
);

CREATE TABLE "baaskit.audit" (
  id TEXT DEFAULT (lower(hex(randomblob(4))||'-'||hex(randomblob(2))||'-4'||substr(hex(randomblob(2)),2)||'-'||substr('89ab',1+(random()&3),1)||substr(hex(randomblob(2)),2)||'-'||hex(randomblob(6)))) NOT NULL,
  at TEXT DEFAULT (rtrim(rtrim(strftime('%Y-%m-%dT%H:%M:%f','now'),'0'),'.')||'+00:00') NOT NULL,
  actor TEXT NOT NULL,
  action TEXT NOT NULL,
  target TEXT DEFAULT '' NOT NULL,
  details TEXT DEFAULT '{}' NOT NULL,
  PRIMARY KEY (id)
);

CREATE INDEX audit_at_idx ON "baaskit.audit" (at);

CREATE TABLE "auth.identities" (
  id TEXT DEFAULT (lower(hex(randomblob(4))||'-'||hex(randomblob(2))||'-4'||substr(hex(randomblob(2)),2)||'-'||substr('89ab',1+(random()&3),1)||substr(hex(randomblob(2)),2)||'-'||hex(randomblob(6)))) NOT NULL,
  user_id TEXT NOT NULL,
  provider TEXT NOT NULL,
  provider_id TEXT NOT NULL,
  identity_data TEXT DEFAULT '{}' NOT NULL,
  email TEXT,
  last_sign_in_at TEXT,
  created_at TEXT DEFAULT (rtrim(rtrim(strftime('%Y-%m-%dT%H:%M:%f','now'),'0'),'.')||'+00:00') NOT NULL,
  updated_at TEXT DEFAULT (rtrim(rtrim(strftime('%Y-%m-%dT%H:%M:%f','now'),'0'),'.')||'+00:00') NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT identities_provider_id_key UNIQUE (provider, provider_id),
  FOREIGN KEY(user_id) REFERENCES "auth.users" (id) ON DELETE CASCADE
);

CREATE INDEX identities_user_id_idx ON "auth.identities" (user_id);

CREATE TABLE "auth.sessions" (
  id TEXT DEFAULT (lower(hex(randomblob(4))||'-'||hex(randomblob(2))||'-4'||substr(hex(randomblob(2)),2)||'-'||substr('89ab',1+(random()&3),1)||substr(hex(randomblob(2)),2)||'-'||hex(randomblob(6)))) NOT NULL,
  user_id TEXT NOT NULL,
  aal TEXT DEFAULT 'aal1' NOT NULL,
  amr TEXT DEFAULT '[]' NOT NULL,
  user_agent TEXT,
  ip TEXT,
  not_after TEXT,
  refreshed_at TEXT,
  created_at TEXT DEFAULT (rtrim(rtrim(strftime('%Y-%m-%dT%H:%M:%f','now'),'0'),'.')||'+00:00') NOT NULL,
  updated_at TEXT DEFAULT (rtrim(rtrim(strftime('%Y-%m-%dT%H:%M:%f','now'),'0'),'.')||'+00:00') NOT NULL,
  PRIMARY KEY (id),
  FOREIGN KEY(user_id) REFERENCES "auth.users" (id) ON DELETE CASCADE
);

CREATE INDEX sessions_user_id_idx ON "auth.sessions" (user_id);

CREATE TABLE "auth.one_time_tokens" (
  id TEXT DEFAULT (lower(hex(randomblob(4))||'-'||hex(randomblob(2))||'-4'||substr(hex(randomblob(2)),2)||'-'||substr('89ab',1+(random()&3),1)||substr(hex(randomblob(2)),2)||'-'||hex(randomblob(6)))) NOT NULL,
  user_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  token_hash TEXT NOT NULL,
  relates_to TEXT DEFAULT '' NOT NULL,
  expires_at TEXT NOT NULL,
  created_at TEXT DEFAULT (rtrim(rtrim(strftime('%Y-%m-%dT%H:%M:%f','now'),'0'),'.')||'+00:00') NOT NULL,
  PRIMARY KEY (id),
  FOREIGN KEY(user_id) REFERENCES "auth.users" (id) ON DELETE CASCADE,
  UNIQUE (token_hash)
);

CREATE TABLE "storage.objects" (
  id TEXT DEFAULT (lower(hex(randomblob(4))||'-'||hex(randomblob(2))||'-4'||substr(hex(randomblob(2)),2)||'-'||substr('89ab',1+(random()&3),1)||substr(hex(randomblob(2)),2)||'-'||hex(randomblob(6)))) NOT NULL,
  bucket_id TEXT NOT NULL,
  name TEXT NOT NULL,
  owner_id TEXT,
  version TEXT NOT NULL,
  metadata TEXT DEFAULT '{}' NOT NULL,
  user_metadata TEXT,
  created_at TEXT DEFAULT (rtrim(rtrim(strftime('%Y-%m-%dT%H:%M:%f','now'),'0'),'.')||'+00:00') NOT NULL,
  updated_at TEXT DEFAULT (rtrim(rtrim(strftime('%Y-%m-%dT%H:%M:%f','now'),'0'),'.')||'+00:00') NOT NULL,
  last_accessed_at TEXT,
  PRIMARY KEY (id),
  CONSTRAINT objects_bucket_id_name_key UNIQUE (bucket_id, name),
  FOREIGN KEY(bucket_id) REFERENCES "storage.buckets" (id) ON DELETE NO ACTION
);

CREATE TABLE "baaskit.admin_sessions" (
  id TEXT DEFAULT (lower(hex(randomblob(4))||'-'||hex(randomblob(2))||'-4'||substr(hex(randomblob(2)),2)||'-'||substr('89ab',1+(random()&3),1)||substr(hex(randomblob(2)),2)||'-'||hex(randomblob(6)))) NOT NULL,
  admin_id TEXT NOT NULL,
  token_hash TEXT NOT NULL,
  expires_at TEXT NOT NULL,
  created_at TEXT DEFAULT (rtrim(rtrim(strftime('%Y-%m-%dT%H:%M:%f','now'),'0'),'.')||'+00:00') NOT NULL,
  PRIMARY KEY (id),
  FOREIGN KEY(admin_id) REFERENCES "baaskit.admins" (id) ON DELETE CASCADE,
  UNIQUE (token_hash)
);

CREATE TABLE "auth.refresh_tokens" (
  id INTEGER NOT NULL,
  token_hash TEXT NOT NULL,
  parent_id BIGINT,
  session_id TEXT NOT NULL,
  revoked BOOLEAN DEFAULT 0 NOT NULL,
  used_at TEXT,
  created_at TEXT DEFAULT (rtrim(rtrim(strftime('%Y-%m-%dT%H:%M:%f','now'),'0'),'.')||'+00:00') NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (token_hash),
  FOREIGN KEY(session_id) REFERENCES "auth.sessions" (id) ON DELETE CASCADE
);

CREATE INDEX refresh_tokens_session_id_idx ON "auth.refresh_tokens" (session_id);
