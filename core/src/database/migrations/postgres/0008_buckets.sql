-- One table of objects for every bucket of the store. Bucket 1 is the station's own, `transect`.
-- `version` is empty for what was written without versioning; `number` orders the versions of a key
-- (0: from before the bucket had any). `about` is a JSON document: headers, checksums, parts, tags, owner.
alter table object rename to object_before;
alter table object_before drop constraint object_pkey;
drop index object_upload;
create table object (
    bucket bigint not null,
    key text collate "C" not null,
    version text not null default '',
    number bigint not null default 0,
    size_bytes bigint not null,
    etag text not null,
    blob text,
    source text,
    created_at bigint not null,
    about text not null default '{}',
    primary key (bucket, key)
);
insert into object (bucket, key, size_bytes, etag, blob, source, created_at)
select 1, key, size_bytes, etag, blob, source, created_at from object_before;
drop table object_before;
create index object_upload on object (created_at) where bucket = 1 and substr(key, 1, 9) = '_uploads/';

-- Versions that are no longer current, and delete markers. The current version is in `object`; where
-- there is none, the key's newest row here is a marker.
create table object_version (
    bucket bigint not null,
    key text collate "C" not null,
    number bigint not null,
    version text not null,
    marker boolean not null,
    size_bytes bigint not null,
    etag text not null,
    blob text,
    source text,
    created_at bigint not null,
    -- When a newer version took its place.
    replaced_at bigint not null,
    about text not null default '{}',
    primary key (bucket, key, version)
);
create index object_version_number on object_version (bucket, key, number);

-- Buckets that S3 clients see. `owner` is a canonical user id; `about` a JSON document of what is
-- configured: access control, CORS, lifecycle, policy, tags.
create table store_bucket (
    id bigint primary key,
    name text collate "C" not null unique,
    owner text not null,
    -- empty, Enabled or Suspended
    versioning text not null default '',
    created_at bigint not null,
    about text not null default '{}'
);
insert into store_bucket (id, name, owner, created_at) values (1, 'transect', '', (extract(epoch from now()) * 1000)::bigint);
insert into id_sequence (noun, next) values ('store_bucket', 2);

-- Keys of S3 clients. `bucket` limits a key to one bucket, by name.
create table access_key (
    access_key text primary key,
    secret text not null,
    account bigint not null,
    bucket text,
    read_only boolean not null,
    created_at bigint not null
);
create index access_key_account on access_key (account);
-- Which account a canonical user id stands for.
create table canonical_user (id text primary key, account bigint not null unique);

alter table multipart_upload alter column key type text collate "C";
alter table multipart_upload add column bucket bigint not null default 1;
alter table multipart_upload add column owner text not null default '';
alter table multipart_upload add column created_at bigint not null default 0;
alter table multipart_upload add column about text not null default '{}';
create index multipart_upload_bucket on multipart_upload (bucket, key, id);
alter table multipart_part add column created_at bigint not null default 0;
alter table multipart_part add column about text not null default '{}';
