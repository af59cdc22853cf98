-- A deleted recording stays until its time is over, so that its deletion can be taken back.
alter table recording add column deleted boolean not null default false;
alter table recording add column modified_at bigint;
alter table recording add column modified_by bigint;
