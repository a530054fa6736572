-- The relays, the channels by which people learn of them, and what ties the two together.

create table channels (
  id text primary key,
  note text not null default '',
  created_at timestamptz not null
);

-- A channel's entries are split into buckets; who has a bucket's key can read its list.
create table buckets (
  channel text not null references channels on delete cascade,
  number integer not null,
  key bytea not null,
  created_at timestamptz not null,
  primary key (channel, number)
);

create table relays (
  -- Derived from the key, and changes with it.
  id text primary key,
  name text not null unique,
  key bytea not null,
  signing_key bytea not null,
  region text,
  transports jsonb not null,
  state text not null check (state in ('new', 'tested', 'serving', 'discoverable', 'drained', 'retired')),
  discoverable_from timestamptz,
  discoverable_until timestamptz,
  -- Of the credential by which it is known to us; null when it is retired.
  credential_hash bytea unique,
  -- Counts the changes of what the relay has to be told.
  settings_version integer not null default 1,
  enrolled_at timestamptz not null
);
create index on relays (state) where state in ('serving', 'discoverable');

create table relay_burns (
  relay text not null references relays on update cascade on delete cascade,
  country text not null,
  since timestamptz not null,
  primary key (relay, country)
);

-- The access secret of a channel at a relay. The last one holds; those before it are taken until they end.
create table access_secrets (
  relay text not null references relays on update cascade on delete cascade,
  channel text not null references channels on delete cascade,
  generation integer not null,
  secret bytea not null,
  created_at timestamptz not null,
  ends_at timestamptz,
  primary key (relay, channel, generation)
);
create index on access_secrets (channel);

-- Both directions are there.
create table siblings (
  relay text not null references relays on update cascade on delete cascade,
  sibling text not null references relays on update cascade on delete cascade,
  primary key (relay, sibling),
  check (relay <> sibling)
);
create index on siblings (sibling);

-- Only the last report of each: one row that is written over each minute, with room for it on its page.
create table relay_reports (
  relay text primary key references relays on update cascade on delete cascade,
  at timestamptz not null,
  report jsonb not null
) with (fillfactor = 40);

create table enrolment_tokens (
  id uuid primary key default gen_random_uuid(),
  token_hash bytea not null unique,
  name text not null,
  channels text[] not null,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  used_at timestamptz,
  relay text references relays on update cascade on delete set null
);

create table network (
  is_only boolean primary key default true check (is_only),
  -- The public key by which entries are signed; the private one is in a file of a control plane.
  entry_key bytea
);
insert into network default values;
