"""Functions of a PostgreSQL database, one of each kind that a call has to tell apart, and who may call them."""

from __future__ import annotations

ROUTINES = """
create schema api;
create schema private;
create table private.people (id int, word text);
insert into private.people values (1, 'plugh');
create type size as (width int, height int);

create function add(a int, b int default 10) returns int language sql stable as 'select a + b';
create function shout(word text) returns text language sql immutable as 'select upper(word)';
create function nothing() returns void language plpgsql as 'begin perform 1; end';
create function note(line text) returns void language sql as 'insert into tags values (999, line)';
create function numbers(up_to int) returns setof int language sql stable as 'select generate_series(1, up_to)';
create function no_number() returns int language sql stable as 'select null::int';
create function doc() returns json language sql stable as $$ select '{"a": [1, 2], "b": null}'::json $$;
create function box(side int) returns size language sql stable as 'select side, side';
create function boxes() returns setof size language sql stable as 'select n, n * 2 from generate_series(1, 3) n';
create function cheapest(most numeric) returns table (pet text, price numeric) language sql stable as
  'select name, price from pets where price <= most order by price';
create function divided(a int, b int, out quotient int, out rest int) language sql stable as 'select a / b, a % b';
create function one_out(a int, out b int) language sql stable as 'select a + 1';
create function all_pets() returns setof pets language sql stable as 'select * from pets order by id';
create function all_pets_definer() returns setof pets language sql stable security definer as 'select * from pets order by id';
create function pet(number int) returns pets language sql stable as 'select * from pets where id = number';
create function all_vault() returns setof vault language sql stable as 'select * from vault';
create function all_users() returns setof auth.users language sql stable as 'select * from auth.users';
create function private_people() returns setof private.people language sql stable as 'select * from private.people';
create function who() returns table (uid uuid, role text, email text, claim text) language sql stable as
  $$ select auth.uid(), auth.role(), auth.email(), auth.jwt() ->> 'sub' $$;
create function total(variadic amounts int[]) returns int language sql stable as 'select sum(x)::int from unnest(amounts) x';
create function sum_of(amounts int[]) returns int language sql stable as 'select sum(x)::int from unnest(amounts) x';
create function moods(wanted mood default 'calm') returns mood language sql stable as 'select wanted';
create function whole(json) returns json language sql stable as 'select $1';
create function raw_text(text) returns text language sql stable as $$ select 'got ' || $1 $$;
create function raw_bytes(bytea) returns int language sql stable as 'select length($1)';
create function named_json(doc json) returns int language sql stable as $$ select (doc ->> 'a')::int $$;
create function same(a int) returns text language sql stable as $$ select 'int' $$;
create function same(a text) returns text language sql stable as $$ select 'text' $$;
create function over(a int) returns text language sql stable as $$ select 'one' $$;
create function over(a int, b int) returns text language sql stable as $$ select 'two' $$;
create function over(a int, b int, c int) returns text language sql stable as $$ select 'three' $$;
create function fails(state text) returns int language plpgsql stable as
  $$ begin raise exception using errcode = state, message = 'as told', hint = 'a hint', detail = 'a detail'; end $$;
create function writes() returns int language sql as $$ insert into tags values (998, 'written'); select 1 $$;
create function lies() returns int language sql stable as 'select 1';
create function lies_and_writes() returns int language sql stable as 'select writes()';
create function becomes(name text) returns text language plpgsql as $$ begin execute format('set role %I', name); return name; end $$;
create function secret() returns text language sql stable as $$ select 'never' $$;
create function "odd: ""name"" $1"("a b" int, "c:d" text) returns table ("x:y" text, "q""u" int) language sql stable as
  $$ select "c:d", "a b" $$;
create function dynamic(cols text) returns record language plpgsql stable as 'declare r record; begin select 1 as a into r; return r; end';
create function on_change() returns trigger language plpgsql as 'begin return new; end';
create function private.hidden() returns int language sql stable as 'select 42';
create function api.pick() returns text language sql stable as $$ select 'api' $$;
create function api.bare() returns int language plpgsql stable as 'begin return local_number(); end';
create function api.local_number() returns int language sql stable as 'select 5';
comment on function add(int, int) is 'Adds two numbers';
"""

_ANYONE = [
    "add", "shout", "nothing", "note", "numbers", "no_number", "doc", "box", "boxes", "cheapest", "divided", "one_out", "all_pets",
    "all_pets_definer", "pet", "all_vault", "all_users", "who", "total", "sum_of", "moods", "whole", "raw_text", "raw_bytes",
    "named_json", "same(int)", "same(text)", "over(int)", "over(a int, b int)", "fails", "writes", "lies", "lies_and_writes", "becomes",
    '"odd: ""name"" $1"', "api.pick", "api.bare",
]  # fmt: skip
POLICIES = "".join(f"grant execute on function {name} to anon, authenticated;\n" for name in _ANYONE)
POLICIES += """
grant execute on function over(int, int, int) to authenticated;
grant execute on function private_people to anon;
grant execute on function secret to anon, authenticated;
revoke execute on function secret() from anon;
"""
