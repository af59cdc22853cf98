-- Recordings of live feeds: what was asked for, and how far it is.
create table recording (
    id integer primary key,
    project bigint not null,
    media bigint not null,
    account bigint not null,
    job text not null,
    status text not null,
    message text not null,
    spec text not null,
    parts text not null,
    created_at bigint not null,
    stopped_at bigint
);
create index recording_project on recording (project);

-- What was fetched of a feed, in its order, and what is missing of it (size 0, lost > 0). Times are UTC microseconds.
create table recording_segment (
    recording bigint not null,
    number bigint not null,
    part bigint not null,
    sequence bigint not null,
    discontinuity bigint not null,
    utc_us bigint not null,
    clock text not null,
    duration_us bigint not null,
    size_bytes bigint not null,
    init bigint,
    lost bigint not null,
    message text not null,
    first_frame bigint,
    num_frames bigint,
    primary key (recording, number)
);

-- What people noted while they watched, by its UTC time in microseconds.
create table recording_event (
    id integer primary key,
    project bigint not null,
    recording bigint not null,
    account bigint not null,
    utc_us bigint not null,
    type bigint,
    text text not null,
    attributes text not null,
    version bigint,
    elemental_id text not null,
    created_at bigint not null
);
create index recording_event_recording on recording_event (recording, utc_us);
