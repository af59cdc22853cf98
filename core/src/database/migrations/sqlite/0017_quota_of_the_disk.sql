-- What a project holds is what takes room on the station's disk: neither what is in a bucket of another store, unless it
-- is to move here, nor files in place. Counted anew.
update storage_use set used_bytes = 0 where kind = 'project';
insert into storage_use (kind, id, used_bytes)
select 'project', project, sum(size_bytes) from (
    select cast(substr(rest, 1, instr(rest, '/') - 1) as integer) as project, size_bytes from (
        select substr(key, instr(key, '/') + 1) as rest, size_bytes from (
            select o.key, o.size_bytes from object o left join object_move m on m.key = o.key
            where o.bucket = 1 and o.blob is not null
                and (substr(o.blob, 1, 1) <> '@' or (m.key is not null and m.bucket is null))
            union all select u.key, p.size_bytes from multipart_part p join multipart_upload u on u.id = p.upload where u.bucket = 1
        ) as kept
        where key glob '[0-9]*/[0-9]*/?*' or key glob '_media/[0-9]*/?*'
    ) as named
) as counted where project > 0 group by project
on conflict (kind, id) do update set used_bytes = excluded.used_bytes;

-- Organizations hold what their projects hold together. A key says whose it is, but for generic files.
insert into storage_use (kind, id, used_bytes)
select 'organization', organization, sum(size_bytes) from (
    select case when key glob '[0-9]*' then cast(substr(key, 1, instr(key, '/') - 1) as integer) else (
        select p.organization from project p
        where p.id = cast(substr(substr(key, 8), 1, instr(substr(key, 8), '/') - 1) as integer)
    ) end as organization, size_bytes from (
        select o.key, o.size_bytes from object o left join object_move m on m.key = o.key
        where o.bucket = 1 and o.blob is not null
            and (substr(o.blob, 1, 1) <> '@' or (m.key is not null and m.bucket is null))
        union all select u.key, p.size_bytes from multipart_part p join multipart_upload u on u.id = p.upload where u.bucket = 1
    ) as kept
    where key glob '[0-9]*/[0-9]*/?*' or key glob '_media/[0-9]*/?*'
) as counted where organization > 0 group by organization;
