-- A project that was deleted stays until its time is over, and can be brought back until then.
alter table project add column deleted boolean not null default false;
alter table project add column modified_at bigint;
alter table project add column modified_by bigint;

-- What a change of a type took from the instances of types, so that undo brings it back: with an empty name the instance
-- itself, otherwise its value (JSON) of the attribute of that name. Changes are named by their clock, which begins with
-- their time.
create table set_aside (
    clock text not null,
    noun text not null,
    name text not null,
    entity bigint not null,
    value text,
    primary key (clock, noun, name, entity)
) without rowid;
