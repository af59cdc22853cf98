-- Media that share stored objects: the original and its clones. `prefix` is what the keys of a
-- media's own objects begin with; clones keep the keys of the original.
create table media_family (
    media bigint primary key,
    family bigint not null,
    prefix text collate "C" not null
);
create index media_family_family on media_family (family);

-- Files that go after some hours. `key` is the key of the stored object.
create table temporary_file (
    id bigint primary key,
    project bigint not null,
    account bigint not null,
    key text collate "C" not null,
    name text collate "C" not null,
    lookup text collate "C" not null,
    created_at bigint not null,
    eol_at bigint not null
);
create index temporary_file_project on temporary_file (project, id);
create index temporary_file_eol on temporary_file (eol_at);
