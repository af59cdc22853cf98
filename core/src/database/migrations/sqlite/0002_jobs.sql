-- Work to be done in the background. `payload` says what, in the words of the job's kind; `memory`
-- is what the work keeps for itself between two tries, and shows of its progress.
create table job (
    id integer primary key,
    uid text not null unique,
    gid text not null,
    kind text not null,
    pool text not null,
    project bigint,
    account bigint,
    status text not null,
    payload text not null,
    memory text not null,
    message text not null,
    attempts bigint not null,
    due_at bigint not null,
    claimed_by text,
    lease_until bigint,
    created_at bigint not null,
    started_at bigint,
    stopped_at bigint
);
create index job_due on job (pool, due_at, id) where status = 'pending';
create index job_running on job (lease_until) where status = 'running';
create index job_project on job (project, kind, id);
create index job_gid on job (gid);
create table job_media (
    media bigint not null,
    job bigint not null,
    primary key (media, job)
) without rowid;
create index job_media_job on job_media (job);
