"""A database as ten years leave it, in both dialects: everything that a reflection can stumble over."""

from __future__ import annotations

POSTGRES = """
create schema sales; create schema "Old Stuff"; create schema auth;
create domain email_address as text check (value like '%@%');
create domain positive as numeric(12,2) check (value > 0);
create type public.mood as enum ('calm', 'wild');
create type sales."Order State" as enum ('cart', 'placed');
create table customers (
  id integer generated always as identity primary key, email email_address unique, name varchar(80) not null,
  password text, active boolean not null default true, feeling mood, joined timestamptz not null default now()
);
create table auth.users (id bigint primary key, secret text not null);
create table sales.orders (
  id bigserial primary key, customer_id integer not null references customers(id), state sales."Order State" not null default 'cart',
  total positive, net numeric(12,2) generated always as (total * 0.8) stored, login_id bigint references auth.users(id)
);
create table sales.lines (
  order_id bigint references sales.orders(id), line smallint, "Menge in kg" numeric(8,3), primary key (order_id, line)
);
create table "Old Stuff"."Order Details" (
  "Select" integer, "from" text, "a.b" text, "quo""te" text, "Ünï" text, primary key ("Select", "from")
);
create table "dotted.name" (id integer primary key, "user" text);
create table loose (a integer, b text);
create table events (id bigint, at date not null, what text, primary key (id, at)) partition by range (at);
create table events_2025 partition of events for values from ('2025-01-01') to ('2026-01-01');
create view customer_totals as select c.id, c.name, sum(o.total) as total from customers c join sales.orders o on o.customer_id = c.id group by c.id;
create view own_orders with (security_invoker = true) as select * from sales.orders;
create materialized view sales.summary as select state, count(*) as n from sales.orders group by state;
create function all_customers() returns setof customers language sql stable security definer as 'select * from customers';
create function stamp() returns trigger language plpgsql as $$ begin new.name := trim(new.name); return new; end $$;
create trigger customers_trim before insert or update on customers for each row execute function stamp();
create index on sales.orders (customer_id); create unique index on customers (lower(email));
insert into customers(email, name, password) values ('ann@example.com', 'Ann', null), ('bob@example.com', 'Bob', null);
insert into auth.users values (1, 'theirs');
insert into sales.orders(customer_id, total, login_id) values (1, 10, 1), (1, 20, null), (2, 30, null);
insert into sales.lines values (1, 1, 2.5), (1, 2, 1);
insert into "Old Stuff"."Order Details" values (1, 'x', 'ab', 'q', 'ü');
insert into "dotted.name" values (1, 'dot'); insert into loose values (1, 'one');
insert into events values (1, '2025-05-05', 'start');
refresh materialized view sales.summary;
"""

SQLITE = """
create table customers (
  id integer primary key, email varchar(80) unique, name nvarchar(80) not null, password text, active boolean not null default 1,
  joined datetime not null default current_timestamp
);
create table orders (
  id integer primary key, customer_id integer not null references customers(id), state text check (state in ('cart', 'placed')),
  total decimal(12,2), net decimal(12,2) generated always as (total * 0.8) stored
);
create table lines (order_id integer references orders(id), line smallint, "Menge in kg" real, primary key (order_id, line)) without rowid;
create table "Order Details" ("Select" integer, "from" text, "a.b" text, "quo""te" text, "Ünï" text, primary key ("Select", "from"));
create table "dotted.name" (id integer primary key, "user" text);
create table loose (a integer, b text);
create table flags (id integer primary key, anything, "when" timestamp) strict_placeholder;
create view customer_totals as select c.id, c.name, sum(o.total) as total from customers c join orders o on o.customer_id = c.id group by c.id;
create trigger customers_trim after insert on customers begin update customers set name = trim(new.name) where id = new.id; end;
create index orders_customer on orders(customer_id);
insert into customers(email, name) values ('ann@example.com', 'Ann'), ('bob@example.com', 'Bob');
insert into orders(customer_id, state, total) values (1, 'cart', 10), (1, 'cart', 20), (2, 'placed', 30);
insert into lines values (1, 1, 2.5), (1, 2, 1);
insert into "Order Details" values (1, 'x', 'ab', 'q', 'ü');
insert into "dotted.name" values (1, 'dot'); insert into loose values (1, 'one'); insert into flags values (1, 'x', 1700000000);
""".replace(" strict_placeholder", "")
