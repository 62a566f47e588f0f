create table authors (id integer primary key, name text not null unique, born date);
create table books (
  id integer primary key, author_id integer not null references authors(id), title text not null, blurb text, tags text[] not null default '{}',
  facts jsonb, price numeric(8, 2), sold boolean not null default false
);
insert into authors values (1, 'Ann', '1980-01-01'), (2, 'Bob', null);
insert into books values
  (1, 1, 'Cats', 'The fat cats sat on the mats', '{cat,fat}', '{"pages": 100, "in": {"de": true}}', 9.5, false),
  (2, 1, 'Dogs', 'Dogs are running', '{dog}', '{"pages": 200}', 20, true),
  (3, 2, 'Rats', null, '{}', null, null, false);
