-- Why no agent of a host is let in until it enrols anew; empty when one is.
alter table agents add column locked text not null default '';
