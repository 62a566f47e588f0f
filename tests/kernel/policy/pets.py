"""The schema that the tests of the policy language share, in PostgreSQL, in SQLite and as a Schema."""

from __future__ import annotations

from baaskit.kernel.schema import Column, Schema, Table, TableName, Type

STATUS = Type("pet_status", labels=("available", "pending", "sold"))
PETS, MEMBERS, OBJECTS = TableName("public", "pets"), TableName("public", "members"), TableName("storage", "objects")


def table(name: TableName, /, **columns: str | Type) -> Table:
    return Table(name, tuple(Column(c, Type.parse(t) if isinstance(t, str) else t) for c, t in columns.items()), ("id",))


SCHEMA = Schema(
    {
        PETS: table(
            PETS, id="int8", before_id="int8", owner_id="uuid", other_id="uuid", status=STATUS, name="text", note="varchar(40)",
            stock="int4", price="numeric(10,2)", weight="float8", sold="bool", rare="bool", tags="text[]", sizes="int8[]", meta="jsonb",
            at="timestamptz", seen="timestamp", born="date", team_id="int8", path="text",
        ),
        MEMBERS: table(MEMBERS, id="int8", team_id="int8", user_id="uuid", role="text", level="int4"),
        OBJECTS: table(OBJECTS, id="uuid", bucket_id="text", name="text", owner="uuid"),
    }
)  # fmt: skip

# auth.uid() and the rest as PostgreSQL functions that read settings: the same text, run by PostgreSQL itself.
ORACLE = """
create type pet_status as enum ('available', 'pending', 'sold');
create schema auth; create schema storage; create schema realtime; create schema clock;
create function auth.jwt() returns jsonb stable language sql as $$ select nullif(current_setting('t.jwt', true), '')::jsonb $$;
create function auth.uid() returns uuid stable language sql as $$ select nullif(current_setting('t.uid', true), '')::uuid $$;
create function auth.role() returns text stable language sql as $$ select nullif(current_setting('t.role', true), '') $$;
create function auth.email() returns text stable language sql as $$ select nullif(current_setting('t.email', true), '') $$;
create function realtime.topic() returns text stable language sql as $$ select nullif(current_setting('t.topic', true), '') $$;
create function clock.now() returns timestamptz stable language sql as $$ select current_setting('t.now')::timestamptz $$;
create function storage.foldername(name text) returns text[] immutable language plpgsql as $$
declare parts text[]; begin
  select string_to_array(name, '/') into parts; return parts[1:array_length(parts, 1) - 1];
end $$;
create function storage.filename(name text) returns text immutable language plpgsql as $$
declare parts text[]; begin select string_to_array(name, '/') into parts; return parts[array_length(parts, 1)]; end $$;
create function storage.extension(name text) returns text immutable language plpgsql as $$
declare parts text[]; last text; begin
  select string_to_array(name, '/') into parts; select parts[array_length(parts, 1)] into last;
  return reverse(split_part(reverse(last), '.', 1));
end $$;
create unlogged table pets (id int8, before_id int8, owner_id uuid, other_id uuid, status pet_status, name text, note varchar(40),
  stock int4, price numeric(10,2), weight float8, sold bool, rare bool, tags text[], sizes int8[], meta jsonb, at timestamptz,
  seen timestamp, born date, team_id int8, path text);
create unlogged table members (id int8, team_id int8, user_id uuid, role text, level int4);
set timezone = 'UTC'; set synchronous_commit = off; set jit = off;
"""
