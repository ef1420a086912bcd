-- When each person's key logged in: it renews its certificate for a bounded time.
create table logins (
    key_fingerprint text primary key,
    by_user text not null,
    at bigint not null
);
create index logins_at on logins (at);
