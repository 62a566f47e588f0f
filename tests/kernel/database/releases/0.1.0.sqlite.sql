
PRAGMA page_size=4096;

BEGIN TRANSACTION;

DROP TABLE IF EXISTS "auth.identities";
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
INSERT INTO "auth.identities" VALUES('72b77c67-6ed1-4486-8d93-0f9bd3dff5c1','0596e7fd-e124-4a3d-9e23-5e85f2649040','email','0596e7fd-e124-4a3d-9e23-5e85f2649040','{"a":1}',NULL,NULL,'2026-11-21T12:51:38.083+00:00','2026-11-21T12:51:38.083+00:00');
CREATE INDEX identities_user_id_idx ON "auth.identities" (user_id);

DROP TABLE IF EXISTS "auth.one_time_tokens";
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

DROP TABLE IF EXISTS "auth.refresh_tokens";
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
INSERT INTO "auth.refresh_tokens" VALUES(1,'f00d',NULL,'4c308f4f-04b7-45ca-85a5-b63c9a447a99',0,NULL,'2026-11-21T12:51:38.086+00:00');
CREATE INDEX refresh_tokens_session_id_idx ON "auth.refresh_tokens" (session_id);

DROP TABLE IF EXISTS "auth.sessions";
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
INSERT INTO "auth.sessions" VALUES('4c308f4f-04b7-45ca-85a5-b63c9a447a99','0596e7fd-e124-4a3d-9e23-5e85f2649040','aal1','[]',NULL,'127.0.0.1',NULL,NULL,'2026-11-21T12:51:38.085+00:00','2026-11-21T12:51:38.085+00:00');
CREATE INDEX sessions_user_id_idx ON "auth.sessions" (user_id);

DROP TABLE IF EXISTS "auth.users";
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
INSERT INTO "auth.users" VALUES('0596e7fd-e124-4a3d-9e23-5e85f2649040','authenticated','authenticated','ann@example.com',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'{}','{"name":"Änn"}',0,'2026-11-21T12:51:38.078+00:00','2026-11-21T12:51:38.078+00:00');

DROP TABLE IF EXISTS "baaskit.admin_sessions";
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

DROP TABLE IF EXISTS "baaskit.admins";
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
INSERT INTO "baaskit.admins" VALUES('7cd1edcd-0e57-4e4e-9d6a-b3658a592379','admin@example.com','x','owner','2026-11-21T12:51:38.094+00:00');

DROP TABLE IF EXISTS "baaskit.alembic_version";
CREATE TABLE "baaskit.alembic_version" (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT "baaskit.alembic_version_pkc" PRIMARY KEY (version_num)
);
INSERT INTO "baaskit.alembic_version" VALUES('0001');

DROP TABLE IF EXISTS "baaskit.audit";
CREATE TABLE "baaskit.audit" (
	id TEXT DEFAULT (lower(hex(randomblob(4))||'-'||hex(randomblob(2))||'-4'||substr(hex(randomblob(2)),2)||'-'||substr('89ab',1+(random()&3),1)||substr(hex(randomblob(2)),2)||'-'||hex(randomblob(6)))) NOT NULL, 
	at TEXT DEFAULT (rtrim(rtrim(strftime('%Y-%m-%dT%H:%M:%f','now'),'0'),'.')||'+00:00') NOT NULL, 
	actor TEXT NOT NULL, 
	action TEXT NOT NULL, 
	target TEXT DEFAULT '' NOT NULL, 
	details TEXT DEFAULT '{}' NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "baaskit.audit" VALUES('b209513e-3592-4af4-adc5-badc0683d5a4','2026-11-21T12:51:38.094+00:00','admin@example.com','signed in','','{}');
CREATE INDEX audit_at_idx ON "baaskit.audit" (at);

DROP TABLE IF EXISTS "baaskit.captures";
CREATE TABLE "baaskit.captures" (
	table_schema TEXT NOT NULL, 
	table_name TEXT NOT NULL, 
	PRIMARY KEY (table_schema, table_name)
);
INSERT INTO "baaskit.captures" VALUES('public','pets');

DROP TABLE IF EXISTS "baaskit.changes";
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
INSERT INTO "baaskit.changes" VALUES(1,0,'public','pets','insert',NULL,'{"id":1,"name":"Rex","mood":"happy","price":12.50,"tags":["a","b"],"born":"2026-11-21T12:51:37.971+00:00","owner_id":null}','2026-11-21T12:51:37.971+00:00');
INSERT INTO "baaskit.changes" VALUES(2,0,'public','pets','insert',NULL,'{"id":2,"name":"Tom","mood":"happy","price":3.00,"tags":null,"born":"2026-11-21T12:51:37.971+00:00","owner_id":null}','2026-11-21T12:51:37.971+00:00');

DROP TABLE IF EXISTS "baaskit.columns";
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
INSERT INTO "baaskit.columns" VALUES('public','pets','id','int8',NULL,'by default',NULL,'');
INSERT INTO "baaskit.columns" VALUES('public','pets','name','text',NULL,'',NULL,'');
INSERT INTO "baaskit.columns" VALUES('public','pets','mood','mood','''happy''','','["happy", "sad"]','');
INSERT INTO "baaskit.columns" VALUES('public','pets','price','numeric(8,2)',NULL,'',NULL,'');
INSERT INTO "baaskit.columns" VALUES('public','pets','tags','text[]',NULL,'',NULL,'');
INSERT INTO "baaskit.columns" VALUES('public','pets','born','timestamptz','now()','',NULL,'');
INSERT INTO "baaskit.columns" VALUES('public','pets','owner_id','uuid',NULL,'',NULL,'');
INSERT INTO "baaskit.columns" VALUES('public','cheap','id','int8',NULL,'',NULL,'');
INSERT INTO "baaskit.columns" VALUES('public','cheap','name','text',NULL,'',NULL,'');

DROP TABLE IF EXISTS "baaskit.cursors";
CREATE TABLE "baaskit.cursors" (
	name TEXT NOT NULL, 
	cursor TEXT NOT NULL, 
	updated_at TEXT DEFAULT (rtrim(rtrim(strftime('%Y-%m-%dT%H:%M:%f','now'),'0'),'.')||'+00:00') NOT NULL, 
	PRIMARY KEY (name)
);

DROP TABLE IF EXISTS "baaskit.dead_letters";
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

DROP TABLE IF EXISTS "baaskit.invocations";
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

DROP TABLE IF EXISTS "baaskit.migrations";
CREATE TABLE "baaskit.migrations" (
	name TEXT NOT NULL, 
	checksum TEXT NOT NULL, 
	applied_at TEXT DEFAULT (rtrim(rtrim(strftime('%Y-%m-%dT%H:%M:%f','now'),'0'),'.')||'+00:00') NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "baaskit.migrations" VALUES('0001_pets.sql','4696caaad19b7acbecf4cbdc3d98aebf4f9aa117635b6d65b4e998dd55cd834a','2026-11-21T12:51:37.971+00:00');

DROP TABLE IF EXISTS "baaskit.policies";
CREATE TABLE "baaskit.policies" (
	version INTEGER NOT NULL, 
	text TEXT NOT NULL, 
	author TEXT NOT NULL, 
	note TEXT DEFAULT '' NOT NULL, 
	created_at TEXT DEFAULT (rtrim(rtrim(strftime('%Y-%m-%dT%H:%M:%f','now'),'0'),'.')||'+00:00') NOT NULL, 
	PRIMARY KEY (version)
);
INSERT INTO "baaskit.policies" VALUES(1,'create policy "everybody reads" on pets for select using (true);
create policy "owners write" on pets for update using (owner_id = auth.uid());
','policies.sql','','2026-11-21T12:51:38.07+00:00');

DROP TABLE IF EXISTS "baaskit.state";
CREATE TABLE "baaskit.state" (
	"key" TEXT NOT NULL, 
	value TEXT NOT NULL, 
	PRIMARY KEY ("key")
);
INSERT INTO "baaskit.state" VALUES('type:mood','["happy", "sad"]');

DROP TABLE IF EXISTS pets;
CREATE TABLE "pets" (
  "id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  "name" TEXT NOT NULL,
  "mood" TEXT CONSTRAINT "type:mood" CHECK ("mood" IN ('happy', 'sad')) NOT NULL DEFAULT 'happy',
  "price" NUMERIC CONSTRAINT "type:numeric(8,2)" CHECK (typeof("price") IN ('integer', 'real', 'null') AND abs("price") < 1e6),
  "tags" TEXT CONSTRAINT "type:text[]" CHECK ("tags" IS NULL OR json_valid("tags") AND json_type("tags") = 'array'),
  "born" TEXT CONSTRAINT "type:timestamptz" CHECK ("born" GLOB '????-??-??T??:??:??*+00:00') NOT NULL DEFAULT (rtrim(rtrim(strftime('%Y-%m-%dT%H:%M:%f','now'),'0'),'.')||'+00:00'),
  "owner_id" TEXT CONSTRAINT "type:uuid" CHECK (length("owner_id") = 36),
  CONSTRAINT "pets_owner_id_fkey" FOREIGN KEY("owner_id") REFERENCES "auth.users" ("id")
);
INSERT INTO pets VALUES(1,'Rex','happy',12.5,'["a","b"]','2026-11-21T12:51:37.971+00:00',NULL);
INSERT INTO pets VALUES(2,'Tom','happy',3,NULL,'2026-11-21T12:51:37.971+00:00',NULL);
CREATE TRIGGER "baaskit_capture.pets.delete" AFTER DELETE ON "pets" BEGIN INSERT INTO "baaskit.changes"(table_schema, table_name, op, "before", "after") VALUES ('public', 'pets', 'delete', json_object('id', CASE typeof(OLD."id") WHEN 'blob' THEN '\x'||lower(hex(OLD."id")) ELSE OLD."id" END, 'name', CASE typeof(OLD."name") WHEN 'blob' THEN '\x'||lower(hex(OLD."name")) ELSE OLD."name" END, 'mood', CASE typeof(OLD."mood") WHEN 'blob' THEN '\x'||lower(hex(OLD."mood")) ELSE OLD."mood" END, 'price', json(CASE WHEN typeof(OLD."price") IN ('integer','real') THEN printf('%.2f', OLD."price") END), 'tags', json(CASE WHEN json_valid(OLD."tags") THEN OLD."tags" WHEN OLD."tags" IS NOT NULL THEN json_quote(CASE typeof(OLD."tags") WHEN 'blob' THEN '\x'||lower(hex(OLD."tags")) ELSE OLD."tags" END) END), 'born', CASE typeof(OLD."born") WHEN 'blob' THEN '\x'||lower(hex(OLD."born")) ELSE OLD."born" END, 'owner_id', CASE typeof(OLD."owner_id") WHEN 'blob' THEN '\x'||lower(hex(OLD."owner_id")) ELSE OLD."owner_id" END), NULL); END;
CREATE TRIGGER "baaskit_capture.pets.insert" AFTER INSERT ON "pets" BEGIN INSERT INTO "baaskit.changes"(table_schema, table_name, op, "before", "after") VALUES ('public', 'pets', 'insert', NULL, json_object('id', CASE typeof(NEW."id") WHEN 'blob' THEN '\x'||lower(hex(NEW."id")) ELSE NEW."id" END, 'name', CASE typeof(NEW."name") WHEN 'blob' THEN '\x'||lower(hex(NEW."name")) ELSE NEW."name" END, 'mood', CASE typeof(NEW."mood") WHEN 'blob' THEN '\x'||lower(hex(NEW."mood")) ELSE NEW."mood" END, 'price', json(CASE WHEN typeof(NEW."price") IN ('integer','real') THEN printf('%.2f', NEW."price") END), 'tags', json(CASE WHEN json_valid(NEW."tags") THEN NEW."tags" WHEN NEW."tags" IS NOT NULL THEN json_quote(CASE typeof(NEW."tags") WHEN 'blob' THEN '\x'||lower(hex(NEW."tags")) ELSE NEW."tags" END) END), 'born', CASE typeof(NEW."born") WHEN 'blob' THEN '\x'||lower(hex(NEW."born")) ELSE NEW."born" END, 'owner_id', CASE typeof(NEW."owner_id") WHEN 'blob' THEN '\x'||lower(hex(NEW."owner_id")) ELSE NEW."owner_id" END)); END;
CREATE TRIGGER "baaskit_capture.pets.update" AFTER UPDATE ON "pets" BEGIN INSERT INTO "baaskit.changes"(table_schema, table_name, op, "before", "after") VALUES ('public', 'pets', 'update', json_object('id', CASE typeof(OLD."id") WHEN 'blob' THEN '\x'||lower(hex(OLD."id")) ELSE OLD."id" END, 'name', CASE typeof(OLD."name") WHEN 'blob' THEN '\x'||lower(hex(OLD."name")) ELSE OLD."name" END, 'mood', CASE typeof(OLD."mood") WHEN 'blob' THEN '\x'||lower(hex(OLD."mood")) ELSE OLD."mood" END, 'price', json(CASE WHEN typeof(OLD."price") IN ('integer','real') THEN printf('%.2f', OLD."price") END), 'tags', json(CASE WHEN json_valid(OLD."tags") THEN OLD."tags" WHEN OLD."tags" IS NOT NULL THEN json_quote(CASE typeof(OLD."tags") WHEN 'blob' THEN '\x'||lower(hex(OLD."tags")) ELSE OLD."tags" END) END), 'born', CASE typeof(OLD."born") WHEN 'blob' THEN '\x'||lower(hex(OLD."born")) ELSE OLD."born" END, 'owner_id', CASE typeof(OLD."owner_id") WHEN 'blob' THEN '\x'||lower(hex(OLD."owner_id")) ELSE OLD."owner_id" END), json_object('id', CASE typeof(NEW."id") WHEN 'blob' THEN '\x'||lower(hex(NEW."id")) ELSE NEW."id" END, 'name', CASE typeof(NEW."name") WHEN 'blob' THEN '\x'||lower(hex(NEW."name")) ELSE NEW."name" END, 'mood', CASE typeof(NEW."mood") WHEN 'blob' THEN '\x'||lower(hex(NEW."mood")) ELSE NEW."mood" END, 'price', json(CASE WHEN typeof(NEW."price") IN ('integer','real') THEN printf('%.2f', NEW."price") END), 'tags', json(CASE WHEN json_valid(NEW."tags") THEN NEW."tags" WHEN NEW."tags" IS NOT NULL THEN json_quote(CASE typeof(NEW."tags") WHEN 'blob' THEN '\x'||lower(hex(NEW."tags")) ELSE NEW."tags" END) END), 'born', CASE typeof(NEW."born") WHEN 'blob' THEN '\x'||lower(hex(NEW."born")) ELSE NEW."born" END, 'owner_id', CASE typeof(NEW."owner_id") WHEN 'blob' THEN '\x'||lower(hex(NEW."owner_id")) ELSE NEW."owner_id" END)); END;
CREATE INDEX "pets_name_idx" ON "pets" ("name");

DROP TABLE IF EXISTS "realtime.messages";
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

DROP TABLE IF EXISTS "storage.buckets";
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
INSERT INTO "storage.buckets" VALUES('photos','photos',NULL,1,NULL,NULL,'2026-11-21T12:51:38.089+00:00','2026-11-21T12:51:38.089+00:00');

DROP TABLE IF EXISTS "storage.objects";
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
INSERT INTO "storage.objects" VALUES('269658ab-52fa-4960-aa8e-7edd026d47cd','photos','a/b.png','0596e7fd-e124-4a3d-9e23-5e85f2649040','1','{}',NULL,'2026-11-21T12:51:38.09+00:00','2026-11-21T12:51:38.09+00:00',NULL);

DROP VIEW IF EXISTS cheap;
CREATE VIEW "cheap"("id", "name") AS SELECT "pets"."id" AS "id", "pets"."name" AS "name" FROM "pets" AS "pets" WHERE ("pets"."price" < 10);

DELETE FROM main.sqlite_sequence WHERE name='baaskit.changes';
INSERT INTO main.sqlite_sequence VALUES ('baaskit.changes', 2);
DELETE FROM main.sqlite_sequence WHERE name='pets';
INSERT INTO main.sqlite_sequence VALUES ('pets', 2);

COMMIT TRANSACTION;
