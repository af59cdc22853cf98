-- Random access points of a source's index that only the container vouches for; null where nobody has counted them.
alter table media_source add column unverified integer;
create index media_source_unverified on media_source (media)
    where state = 'ready' and (unverified is null or unverified > 0);
