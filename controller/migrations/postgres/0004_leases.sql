-- To whom leases were given, and who is granted none: durable before it is answered. When they were given is not
-- kept: a controller counts those of an earlier one from its own beginning.
create table leases (
    source text not null,
    host text not null,
    is_primary bigint not null,
    closed bigint not null,
    length_ms bigint not null,
    stop_ms bigint not null,
    armed bigint not null,
    closed_by text not null,
    primary key (source, host)
);
