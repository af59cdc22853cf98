-- How many bytes the store keeps for a bucket of S3 clients (every version, and parts of uploads under way) or for a
-- project (its keys in the station's own bucket; temporary uploads and files in place are not counted), and how many it may.
create table storage_use (
    -- bucket or project
    kind text not null,
    id bigint not null,
    used_bytes bigint not null default 0,
    quota_bytes bigint,
    primary key (kind, id)
);
insert into storage_use (kind, id, used_bytes)
select 'bucket', bucket, cast(sum(size_bytes) as bigint) from (
    select bucket, size_bytes from object where blob is not null and bucket <> 1
    union all select bucket, size_bytes from object_version where blob is not null and bucket <> 1
    union all select u.bucket, p.size_bytes from multipart_part p join multipart_upload u on u.id = p.upload where u.bucket <> 1
) as kept group by bucket;
insert into storage_use (kind, id, used_bytes)
select 'project', project, cast(sum(size_bytes) as bigint) from (
    select cast(split_part(key, '/', 2) as bigint) as project, size_bytes from (
        select key, size_bytes from object where bucket = 1 and blob is not null
        union all select u.key, p.size_bytes from multipart_part p join multipart_upload u on u.id = p.upload where u.bucket = 1
    ) as kept
    where key ~ '^([0-9]{1,18}|_media)/[0-9]{1,18}/.'
) as counted where project > 0 group by project;
