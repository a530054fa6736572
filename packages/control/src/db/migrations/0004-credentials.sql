-- A relay renews its credential; the one that it asked with holds until the new one has been used, so that a reply that is lost locks nobody out.
-- From here on a retired relay keeps its credential, by which it is told that it is retired, and nothing more.

alter table relays add column former_credential_hash bytea unique;
