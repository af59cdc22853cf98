-- Where row protection takes its rights from; of media it is the folder that they lie in, unless they name another.
alter table media add column master_section bigint;
update media set master_section = primary_section where primary_section is not null;
alter table section add column master_section bigint;
