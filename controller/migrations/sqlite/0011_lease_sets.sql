-- Who may extend a lease when no controller does: durable before it is sent, since whoever leads next must not
-- promote past it. A term grows with each change of who may write, and of who may be promoted.
alter table leases add column term bigint not null default 0;
alter table leases add column sets text not null default '[]';
