-- One-time tokens with which people log in, by their SHA-256.
create table user_tokens (
    hash text primary key,
    person text not null,
    created_at bigint not null,
    created_by text not null,
    expires_at bigint not null,
    used_at bigint
);
