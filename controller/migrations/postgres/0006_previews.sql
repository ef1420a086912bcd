-- The newest answer to "would you?" of each plan.
create table previews (
    plan text primary key,
    at bigint not null,
    run text not null,
    estate bigint not null,
    outcome text not null,
    refusals text not null
);
