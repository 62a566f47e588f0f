-- Migrations are PostgreSQL, applied once, in the order of their names. The same file runs on SQLite and PostgreSQL.
create table todos (
  id bigint generated always as identity primary key,
  owner_id uuid not null default auth.uid() references auth.users (id) on delete cascade,
  title text not null check (length(title) between 1 and 200),
  done boolean not null default false,
  created_at timestamptz not null default now()
);
create index todos_owner_id_idx on todos (owner_id);

-- Changes of this table are sent to subscribers (each sees what the policies show).
alter publication realtime add table todos;
