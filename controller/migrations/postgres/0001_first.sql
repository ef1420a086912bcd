-- The store of controllers that share one PostgreSQL: the tables of SQLite's file, with triggers in
-- PostgreSQL's dialect. Times are microseconds since the epoch, UTC; ids are UUID texts.

-- Who leads. One row; its epoch only grows.
create table leadership (
    one bigint primary key check (one = 1),
    epoch bigint not null,
    holder text not null,
    name text not null,
    since bigint not null
);
insert into leadership (one, epoch, holder, name, since) values (1, 0, '', '', 0);

-- A cache of each run's state, written in the transaction that appends to its journal.
create table runs (
    run text primary key,
    request text unique,
    plan text not null,
    title text not null,
    mode text not null,
    digest text not null,
    requested_by text not null,
    requested_at bigint not null,
    status text not null,
    detail text not null,
    open bigint not null,
    ended_at bigint not null,
    sequence bigint not null,
    head text not null
);
create index runs_open on runs (open, run);

-- The truth.
create table journal (
    run text not null references runs (run),
    sequence bigint not null,
    at bigint not null,
    epoch bigint not null,
    event text not null,
    hash text not null,
    previous text,
    primary key (run, sequence)
);
create function journal_is_kept() returns trigger language plpgsql as $$
begin
    raise exception 'LB1209: journal rows are never %', case tg_op when 'UPDATE' then 'changed' else 'deleted' end;
end
$$;
create trigger journal_is_never_changed before update on journal
    for each row execute function journal_is_kept();
create trigger journal_is_never_deleted before delete on journal
    for each row execute function journal_is_kept();
create trigger journal_is_never_emptied before truncate on journal
    for each statement execute function journal_is_kept();

-- One run holds a resource at a time.
create table held (
    resource text primary key,
    run text not null references runs (run),
    since bigint not null,
    requested_by text not null
);
create index held_run on held (run);

create table agents (
    host text primary key,
    key_fingerprint text not null,
    enrolled_at bigint not null,
    renewed_at bigint not null,
    expires_at bigint not null,
    last_heard_at bigint not null,
    skew_us bigint not null,
    epoch bigint not null,
    assignment_version bigint not null,
    version text not null,
    facts text not null
);

-- Enrolment tokens, by their SHA-256.
create table tokens (
    hash text primary key,
    host text not null,
    created_at bigint not null,
    created_by text not null,
    expires_at bigint not null,
    used_at bigint
);

-- The admin token, by its SHA-256.
create table admins (
    hash text primary key,
    created_at bigint not null
);

create table estates (
    version bigint primary key,
    digest text not null,
    applied_at bigint not null,
    applied_by text not null
);
create table estate_files (
    version bigint not null references estates (version),
    path text not null,
    content text not null,
    primary key (version, path)
);

-- What a run was about to do to a DNS record, and what the record was before.
create table inverses (
    run text not null references runs (run),
    step text not null,
    saved_at bigint not null,
    inverse text not null,
    primary key (run, step)
);

-- Restore points as agents reported them: a cache of what the repositories hold.
create table points (
    repository text not null,
    snapshot text not null,
    source text not null,
    host text not null,
    origin text not null,
    at bigint not null,
    read_bytes bigint not null,
    stored_bytes bigint not null,
    rows bigint not null,
    proven_at bigint not null,
    primary key (repository, snapshot)
);
create index points_source on points (source, at);

-- Work that agents did by their schedules.
create table scheduled (
    token text primary key,
    host text not null,
    schedule text not null,
    kind text not null,
    outcome text not null,
    started_at bigint not null,
    ended_at bigint not null
);
create index scheduled_ended on scheduled (ended_at);
