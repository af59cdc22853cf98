-- Copies of objects in the backup buckets of their projects. `blob` is what the object's bytes are in, `copy` what its copy
-- is in (null: there is none yet), `bucket` where it is to be; what is pending is still to be copied there.
create table object_backup (
    key text primary key,
    blob text not null,
    bucket bigint not null,
    copy text,
    pending boolean not null default true,
    since bigint not null,
    message text not null default ''
);
create index object_backup_blob on object_backup (blob);
create index object_backup_copy on object_backup (copy) where copy is not null;
create index object_backup_bucket on object_backup (bucket);
create index object_backup_pending on object_backup (since) where pending;

-- What was stored before backup buckets were followed.
insert into object_backup (key, blob, bucket, since)
select o.key, o.blob, b.bucket, o.created_at from (
    select backup_bucket as bucket, cast(organization as text) || '/' || cast(id as text) || '/' as prefix
    from project where backup_bucket is not null
    union all select backup_bucket, '_media/' || cast(id as text) || '/' from project where backup_bucket is not null
) as b join object o on o.bucket = 1 and o.blob is not null and substr(o.key, 1, length(b.prefix)) = b.prefix;

-- Whether a change was made by a job in the name of its account: nobody who takes back their last edits means it.
alter table journal add column by_job boolean not null default false;
