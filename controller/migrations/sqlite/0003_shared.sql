-- Until when the leader leads, by the database's clock in microseconds since the epoch (0: given up), for
-- how long each renewal is, and where the leader runs.
alter table leadership add column ends_at bigint not null default 0;
alter table leadership add column length_us bigint not null default 0;
alter table leadership add column place text not null default '';

-- The CA that all controllers of this store sign with, by its certificate's SHA-256. At most one row.
create table authority (
    one bigint primary key check (one = 1),
    ca_hash text not null
);
