-- What the network says of itself in brand files, and how publishing goes.

alter table network
  add column name text not null default 'Rozan',
  add column mirrors text[] not null default '{}',
  -- By country or '*'.
  add column homes jsonb not null default '{}',
  add column feedback text[] not null default '{}',
  add column tactics_keys text[] not null default '{}';

-- A row for each change that was not published yet: changes that go on at the same time must not wait for each other.
create table publication_changes (
  id bigint generated always as identity primary key,
  at timestamptz not null
);

create table publication (
  is_only boolean primary key default true check (is_only),
  -- SHA-256 of its first root: which publication it is.
  first_root bytea,
  -- The newest root, as brand files have it.
  root bytea,
  version bigint,
  published_at timestamptz,
  -- What went wrong the last time; null if nothing did.
  error text,
  waiting jsonb not null default '[]',
  expiring jsonb not null default '[]'
);
insert into publication default values;
