"""The oracle: the same migration, run by PostgreSQL itself and translated for SQLite, leaves the same tables and the same rows."""

# ruff: noqa: E501 - SQL is easier to read unbroken

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from baaskit.kernel.database import Database
from baaskit.kernel.database.encode import json_sql
from baaskit.kernel.database.migrate import apply
from baaskit.kernel.schema import Table
from baaskit.project import Script


@dataclass
class Folder:
    migrations: tuple[Script, ...]
    seed: Script | None = None


def folder(*texts: str) -> Folder:
    return Folder(tuple(Script(f"{i:04}.sql", Path(f"{i:04}.sql"), text) for i, text in enumerate(texts, 1)))


async def run(url: str, *texts: str) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    """The logical tables and all their rows after the migrations."""
    database = Database(url)
    await database.start()
    try:
        await apply(folder(*texts), database)
        schema = database.catalog.schema
        tables = [t for n, t in schema.tables.items() if n.schema == "public"]
        shapes = {t.name.name: shape(t) for t in tables} | {"captured": sorted(str(n) for n in schema.captured)}
        rows = {}
        for table in tables:
            rows[table.name.name] = sorted([await row(database, table, r) for r in await read(database, table)], key=json.dumps)
        return shapes, rows
    finally:
        await database.stop()


async def read(database: Database, table: Table) -> list[Any]:
    name = table.name.name
    if database.dialect == "postgresql":
        return [r[0] for r in await database.fetch_raw(f'select to_jsonb(t)::text from public."{name}" t')]
    pairs = ", ".join(f"'{c.name}', {json_sql(c, chr(34) + c.name + chr(34))}" for c in table.columns)
    return [r[0] for r in await database.fetch_raw(f'select json_object({pairs}) from "{name}"')]


async def row(database: Database, table: Table, text: str) -> dict[str, Any]:
    return {k: plain(v) for k, v in sorted(json.loads(text).items())}


def plain(value: Any) -> Any:
    """What JSON writes differently for the same value: 2 and 2.0."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return round(value, 9) if isinstance(value, float) else value


def shape(table: Table) -> dict[str, Any]:
    return {
        "columns": [
            (
                c.name,
                c.type.sql,
                c.type.labels,
                c.generated,
                c.identity,
                (c.nullable or c.name in table.primary_key) if not table.view else None,
            )
            for c in table.columns
        ],
        "defaults": [(c.name, c.default is not None) for c in table.columns if not c.generated and not c.identity and not table.view],
        "primary_key": table.primary_key,
        "foreign_keys": sorted((f.name, f.columns, str(f.target), f.target_columns, f.on_delete) for f in table.foreign_keys),
        "uniques": sorted(table.uniques),
        "view": table.view,
        "comments": [(c.name, c.comment) for c in table.columns if c.comment],
    }


MIGRATIONS = {
    "types": """
        create type mood as enum ('happy', 'sad', 'it''s');
        create table t (
          id bigint generated always as identity primary key, a smallint, b integer default 7, c real, d double precision, e numeric(10,2), f numeric,
          g text, h varchar(20) not null default 'x', i character varying(3), j uuid, k boolean default true, l date, m time, n timestamp, o timestamptz,
          p json, q jsonb not null default '{}', r text[] default '{}', s int[], u bytea, v mood default 'happy', w mood[], x boolean[]
        );
        insert into t (a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, u, v, w, x) values
          (1, -2, 1.5, 2.25, 1.255, 3.125, 'it''s', 'ä', 'abc', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', 'yes', '2026-01-02', '10:20:30.5',
           '2026-01-02 03:04:05.120', '2026-01-02 03:04:05+02', '{"a": 1}', '{"b": [1, null, "x"]}', '{a,"b c",NULL}', array[1,2], '\\x00ff', 'sad',
           '{sad,happy}', '{t,f}'),
          (default, default, null, null, -0.005, 1e3, E'a\\nb', default, null, '{a0eebc999c0b4ef8bb6d6bb9bd380a11}', false, null, '23:59', '2026-02-03',
           '2026-02-03T10:00:00.123456Z', 'null', default, array[]::text[], '{}', 'text', 'it''s', null, null);
    """,
    "constraints": """
        create table owners (id serial primary key, email text unique not null, manager integer references owners (id) on delete set null);
        create table pets (
          owner integer not null references owners on delete cascade on update cascade, name text, age int check (age >= 0), weight numeric check (weight > 0),
          primary key (owner, name), constraint sane check (age < 100 or weight is null), unique (name, age)
        );
        create table toys (id int primary key, owner int, name text, boss uuid references auth.users (id) on delete cascade,
          foreign key (owner, name) references pets (owner, name) on delete cascade on update cascade deferrable initially deferred);
        create index toys_name on toys (name desc nulls last);
        create unique index on toys (lower(name)) where owner > 0;
        create unique index owner_email on owners (email, id);
        insert into owners (email) values ('a'), ('b'); insert into owners (email, manager) values ('c', 1);
        insert into pets (owner, name, age) values (1, 'rex', 3), (2, 'bo', 4);
        insert into toys (id, owner, name) values (1, 1, 'rex'), (2, 2, 'bo'), (3, null, null);
        delete from owners where id = 1;
        update owners set id = 20 where id = 2;
        comment on table toys is 'things'; comment on column toys.name is 'what it is called';
    """,
    "generated rows": """
        create table t (id int primary key, word text, tags text[], day date, at timestamptz, up text generated always as (upper(word) || '!') stored);
        insert into t (id, word, tags, day, at)
          select i, (array['red','green','blue'])[1 + i % 3], array['n' || i, word], date '2026-01-31' + i, timestamptz '2026-01-31 12:00:00.5+00' + interval '1 day' * i
          from generate_series(1, 9) as g(i) cross join (values ('x'), ('y')) as w(word) where word = 'x' and i between 2 and 8 order by i desc limit 5;
        with recursive n(x) as (values (1) union all select x + 1 from n where x < 3) insert into t (id, word) select 100 + x, x::text from n;
        insert into t (id, word) select id + 1000, word from t where id < 100 on conflict (id) do nothing;
        insert into t (id, word) values (2, 'two'), (3, 'three') on conflict (id) do update set word = excluded.word || '-' || t.word where t.id > 2;
        update t set word = t.word || s.suffix from (values (101, 'a'), (102, 'b')) as s(id, suffix) where s.id = t.id;
        delete from t using (select 103 as dead) as d where t.id = d.dead;
        update t set (word, day) = (upper(word), '2000-02-29') where exists (select 1 from t as o where o.id = t.id + 1000) and word like '%e%';
    """,
    "alterations": """
        create table parents (id bigint generated by default as identity primary key, name text);
        create table t (id bigint generated always as identity primary key, a text not null, b int, parent bigint references parents on delete cascade,
          constraint b_small check (b < 1000));
        create table children (id int primary key, t bigint not null references t on delete cascade);
        create index t_b on t (b); create view v as select a, b + 1 as c from t;
        alter publication realtime add table t, parents;
        insert into parents (name) values ('p'); insert into t (a, b, parent) values ('1', 2, 1), ('10', 20, 1), ('x', 3, null); insert into children values (7, 1), (8, 2);
        delete from t where a = 'x';
        alter table t add column c timestamptz, add column d boolean not null default false, add column if not exists a text;
        alter table t add column e text unique, add column f int references parents (id) default null check (f > 0);
        drop view v; alter table t alter column a type int using a::int, alter column a set default 5, alter b set not null, alter column b type numeric(6,2);
        alter table t rename column d to done; alter table t drop constraint b_small, add constraint b_big check (b > 0), add unique (a, b);
        alter table t alter column done drop default, alter column a drop not null;
        insert into t (b, done) values (9.999, true);
        create view v as select a, b + 1 as c from t; alter table t drop column c, drop column if exists zzz;
        alter table parents rename to elders; alter table elders rename column name to called;
        alter table elders add constraint called_key unique (called); alter table elders enable row level security;
        alter publication supabase_realtime drop table elders;
        delete from elders;
    """,
    "enums grow": """
        create type mood as enum ('a', 'b');
        create table t (id int primary key, m mood not null default 'a', ms mood[]); insert into t values (1, 'b', '{a}');
        alter type mood add value if not exists 'b'; alter type mood add value 'c' before 'b'; alter type mood add value 'd';
    """,
    "functions": """
        create table t (k text primary key, v text);
        create table n (k text primary key, v numeric);
        insert into t values
          ('concat', concat('a', null, 1, true)), ('lpad', lpad('7', 3, '0')), ('split', split_part('a-b-c', '-', 2)), ('initcap', initcap('hello wORLD')),
          ('md5', md5('a')), ('trim', trim(both 'x' from 'xax')), ('sub', substring('abcdef' from 2 for 3)), ('left', left('abc', 2) || right('abc', 1)),
          ('case', case when 1 < 2 then 'yes' else 'no' end), ('greatest', greatest('a', null, 'c', 'b')), ('ws', concat_ws('-', 'a', null, 'b')),
          ('bool', (1 = 1)::text), ('date', (date '2026-03-31' - interval '1 month')::date::text), ('trunc', date_trunc('month', timestamp '2026-03-31 10:00')::text),
          ('json', '{"a": {"b": true}}'::jsonb -> 'a' ->> 'b'), ('el', (array['x','y'])[2]), ('replace', replace('aXa', 'X', '-')), ('nullif', nullif('a', 'a')),
          ('pos', strpos('hello', 'l')::text), ('distinct', (null is distinct from 1)::text), ('any', ('b' = any(array['a','b']))::text),
          ('ilike', ('ABC' ilike 'a%')::text), ('notlike', ('ABC' not like 'a%')::text), ('regex', ('abc' ~ '^a')::text), ('ts', (timestamptz '2026-01-01 00:00+00')::text),
          ('rep', repeat('ab', 2)), ('rev', reverse('abc')), ('contains', (array[1,2,3] @> array[2])::text), ('num', 1.50::numeric(5,2)::text), ('float', 2.0::float8::text);
        insert into n values
          ('div', 7 / 2), ('div2', 7.0 / 2), ('mod', -7 % 3), ('round', round(2.345, 2)), ('half', round(-2.5)), ('floor', floor(-1.5)), ('ceil', ceil(1.2)), ('abs', abs(-3)),
          ('cast', 2.5::int), ('cast2', 3.5::numeric::int), ('pow', power(2, 10)), ('coalesce', coalesce(null, 3)), ('epoch', extract(epoch from timestamptz '2026-01-01 00:00:01.5+00')),
          ('year', extract(year from date '2026-05-06')), ('days', date '2026-03-01' - date '2026-02-01'), ('len', length('äb')), ('size', jsonb_array_length('[1,2]')),
          ('alen', array_length(array[1,2,3], 1)), ('sum', (select sum(x) from generate_series(1, 4) as g(x))), ('prec', 2 + 3 * 4 - -1), ('sign', sign(-2)), ('trunc', trunc(-1.7));
    """,
    "views": """
        create table t (id int primary key, price numeric(10,2), kind text, at timestamptz, meta jsonb); 
        insert into t select i, i * 1.25, case when i % 2 = 0 then 'even' else 'odd' end, timestamptz '2026-01-01 00:00+00' + (i || ' hours')::interval, jsonb_build_object('n', i, 'ok', i > 2)
          from generate_series(1, 5) as g(i);
        create view kinds as select kind, count(*) as number, sum(price) as total, max(at) as last from t group by kind having count(*) > 1;
        create view ranked (id, place, ok) as select id, row_number() over (partition by kind order by price desc), meta ->> 'ok' from t;
        create or replace view late as select t.id, k.number, t.at + interval '1 day' as due from t join kinds as k using (kind) where t.price between 2 and 6;
        create view both_ as select id, kind from t where id < 2 union all select id + 10, upper(kind) from t where id > 4 order by 1 desc;
    """,
}


@pytest.mark.anyio
@pytest.mark.parametrize("name", MIGRATIONS)
async def test_sqlite_ends_with_the_tables_and_rows_of_postgresql(name: str, postgres: Callable[[], str], tmp_path: Path) -> None:
    on_sqlite = await run(f"sqlite:///{tmp_path / 'data.db'}", MIGRATIONS[name])
    on_postgres = await run(postgres(), MIGRATIONS[name])
    assert on_sqlite[1] == on_postgres[1]
    assert on_sqlite[0] == on_postgres[0]
