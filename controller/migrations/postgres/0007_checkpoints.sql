-- One row for each append to a journal: the head to which it moved its run, chained over all runs. So a run that is
-- removed as a whole, or loses its tail, is missed.
create table checkpoints (
    number bigint primary key,
    at bigint not null,
    run text not null,
    sequence bigint not null,
    head text not null,
    hash text not null
);
create index checkpoints_run on checkpoints (run, sequence);
create function checkpoints_are_kept() returns trigger language plpgsql as $$
begin
    raise exception 'LB1209: checkpoints are never changed or deleted';
end $$;
create trigger checkpoints_are_never_changed before update on checkpoints
    for each row execute function checkpoints_are_kept();
create trigger checkpoints_are_never_deleted before delete on checkpoints
    for each row execute function checkpoints_are_kept();
create trigger checkpoints_are_never_emptied before truncate on checkpoints
    for each statement execute function checkpoints_are_kept();
