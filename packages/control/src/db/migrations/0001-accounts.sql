-- Who may log in, with what, and what they have done.

create table accounts (
  id uuid primary key default gen_random_uuid(),
  name text not null unique,
  role text not null check (role in ('operator', 'analyst', 'partner')),
  password_hash text,
  totp_secret text,
  -- The last step whose code was used: none is taken twice.
  totp_step bigint not null default 0,
  failures integer not null default 0,
  waits_until timestamptz,
  created_at timestamptz not null,
  disabled_at timestamptz
);

create table passkeys (
  id text primary key,
  account uuid not null references accounts on delete cascade,
  public_key bytea not null,
  counter bigint not null,
  created_at timestamptz not null
);
create index on passkeys (account);

-- Of what lets somebody in, hashes only.
create table login_links (
  token_hash bytea primary key,
  account uuid not null references accounts on delete cascade,
  expires_at timestamptz not null
);

create table sessions (
  token_hash bytea primary key,
  account uuid not null references accounts on delete cascade,
  -- Came by a link, and may do nothing but choose a password or a passkey.
  is_setup boolean not null,
  pending_totp text,
  challenge text,
  created_at timestamptz not null,
  used_at timestamptz not null
);
create index on sessions (account);

create table challenges (
  challenge text primary key,
  expires_at timestamptz not null
);

create table api_tokens (
  id uuid primary key default gen_random_uuid(),
  account uuid not null references accounts on delete cascade,
  name text not null,
  token_hash bytea not null unique,
  created_at timestamptz not null,
  expires_at timestamptz
);
create index on api_tokens (account);

create table audit (
  id bigint generated always as identity primary key,
  at timestamptz not null,
  actor text not null,
  action text not null,
  subject text not null,
  details jsonb not null
);

create function refuse_change() returns trigger language plpgsql as $$
begin
  raise exception 'the audit log is added to, and never changed';
end $$;
create trigger audit_is_kept before update or delete or truncate on audit
  for each statement execute function refuse_change();
