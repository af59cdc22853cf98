-- Blobs in buckets of other stores. `blob` is `@bucket/key`, so that it says where the bytes are. `pending_since` is
-- the time of a write that no object uses yet: what a crash left of it goes after a day.
create table remote_blob (
    blob text primary key,
    bucket bigint not null,
    size_bytes bigint not null default 0,
    md5 text not null default '',
    pending_since bigint
);
create index remote_blob_bucket on remote_blob (bucket);
create index remote_blob_pending on remote_blob (pending_since) where pending_since is not null;

-- Objects whose bytes are to move: to a bucket, or (null) into the station's own store.
create table object_move (
    key text primary key,
    bucket bigint,
    since bigint not null,
    message text not null default ''
);

-- Whether an administrator of the station registered the bucket: then it may lead into the station's own network.
alter table bucket add column trusted boolean not null default false;
-- The bucket that an upload in parts goes to once it is whole; null: the one of the project.
alter table multipart_upload add column remote bigint;

create index media_archive on media (id) where archive_state in ('to_archive', 'to_live');
