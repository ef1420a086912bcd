-- Which rescue this store began as: at most one row.
create table rescues (
    one bigint primary key check (one = 1),
    id text not null,
    epoch bigint not null,
    bundle_at bigint not null,
    began_at bigint not null,
    waits_for text not null,
    collected bigint not null
);
-- Runs that a rescue rebuilt from copies, and how far they went.
create table rescued_runs (
    run text primary key,
    sequence bigint not null
);
-- How often a host's certificate was renewed by its bare key, after it had run out, since it enrolled.
alter table agents add column recoveries bigint not null default 0;
