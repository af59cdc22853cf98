-- What a project holds is what takes room on the station's disk: neither what is in a bucket of another store, unless it
-- is to move here, nor files in place. Counted anew.
update storage_use set used_bytes = 0 where kind = 'project';
insert into storage_use (kind, id, used_bytes)
select 'project', project, cast(sum(size_bytes) as bigint) from (
    select cast(split_part(key, '/', 2) as bigint) as project, size_bytes from (
        select o.key, o.size_bytes from object o left join object_move m on m.key = o.key
        where o.bucket = 1 and o.blob is not null
            and (substr(o.blob, 1, 1) <> '@' or (m.key is not null and m.bucket is null))
        union all select u.key, p.size_bytes from multipart_part p join multipart_upload u on u.id = p.upload where u.bucket = 1
    ) as kept
    where key ~ '^([0-9]{1,18}|_media)/[0-9]{1,18}/.'
) as counted where project > 0 group by project
on conflict (kind, id) do update set used_bytes = excluded.used_bytes;

-- Organizations hold what their projects hold together. A key says whose it is, but for generic files.
insert into storage_use (kind, id, used_bytes)
select 'organization', organization, cast(sum(size_bytes) as bigint) from (
    select case when key ~ '^[0-9]' then cast(split_part(key, '/', 1) as bigint) else (
        select p.organization from project p where p.id = cast(split_part(key, '/', 2) as bigint)
    ) end as organization, size_bytes from (
        select o.key, o.size_bytes from object o left join object_move m on m.key = o.key
        where o.bucket = 1 and o.blob is not null
            and (substr(o.blob, 1, 1) <> '@' or (m.key is not null and m.bucket is null))
        union all select u.key, p.size_bytes from multipart_part p join multipart_upload u on u.id = p.upload where u.bucket = 1
    ) as kept
    where key ~ '^([0-9]{1,18}|_media)/[0-9]{1,18}/.'
) as counted where organization > 0 group by organization;
