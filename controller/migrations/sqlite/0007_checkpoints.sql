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
create trigger checkpoints_are_never_changed before update on checkpoints
begin
    select raise(abort, 'LB1209: checkpoints are never changed');
end;
create trigger checkpoints_are_never_deleted before delete on checkpoints
begin
    select raise(abort, 'LB1209: checkpoints are never deleted');
end;
