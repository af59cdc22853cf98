-- Times are UTC milliseconds; JSON documents are text; ids come from id_sequence.

create table id_sequence (noun text primary key, next bigint not null);

create table station (name text primary key, value text not null);

create table account (
    id integer primary key,
    username text not null,
    username_folded text not null unique,
    first_name text not null,
    last_name text not null,
    email text not null,
    is_staff boolean not null,
    elemental_id text not null,
    profile text not null,
    password_hash text not null,
    session_epoch bigint not null,
    created_at bigint not null
);
create table token (account bigint primary key, key text not null unique, created_at bigint not null);
create table sign_in_code (code_hash text primary key, account bigint not null, expires_at bigint not null);
-- Sessions that were signed out, until their cookies would have expired.
create table ended_session (cookie_hash text primary key, expires_at bigint not null);

create table organization (
    id integer primary key,
    name text not null,
    thumb text,
    default_membership_permission text,
    created_at bigint not null
);
create table affiliation (
    id integer primary key,
    organization bigint not null,
    account bigint not null,
    permission text not null,
    unique (organization, account)
);
create index affiliation_account on affiliation (account);
create table bucket (
    id integer primary key,
    organization bigint not null,
    name text not null,
    store_type text not null,
    config text not null,
    archive_sc text not null,
    live_sc text not null,
    external_host text
);

create table project (
    id integer primary key,
    name text not null,
    summary text not null,
    organization bigint not null,
    enable_downloads boolean not null,
    bucket bigint,
    upload_bucket bigint,
    backup_bucket bigint,
    elemental_id text not null,
    thumb text,
    extended_info text not null,
    created_by bigint not null,
    created_at bigint not null
);
create table membership (
    id integer primary key,
    project bigint not null,
    account bigint not null,
    permission text not null,
    default_version bigint,
    unique (account, project)
);
create index membership_project on membership (project);
create table version (
    id integer primary key,
    project bigint not null,
    number bigint not null,
    name text not null,
    description text not null,
    show_empty boolean not null,
    bases text not null,
    elemental_id text not null,
    created_by bigint
);
create index version_project on version (project);
create table section (
    id integer primary key,
    project bigint not null,
    name text not null,
    path text,
    dtype text not null,
    tator_user_sections text,
    object_search text,
    related_search text,
    visible boolean not null,
    elemental_id text not null,
    attributes text not null,
    explicit_listing boolean,
    created_at bigint,
    created_by bigint
);
create index section_project on section (project);
create table section_media (
    section bigint not null,
    media bigint not null,
    primary key (section, media)
) without rowid;
create index section_media_media on section_media (media);
create table bookmark (
    id integer primary key,
    project bigint not null,
    account bigint not null,
    name text not null,
    uri text not null
);
create index bookmark_owner on bookmark (project, account);
create table favorite (
    id integer primary key,
    project bigint not null,
    account bigint not null,
    entity_type_name text not null,
    type bigint not null,
    name text not null,
    page bigint not null,
    attribute_values text not null
);
create index favorite_owner on favorite (project, account);

-- The five kinds of types; `detail` holds the fields that only one kind has.
create table entity_type (
    kind text not null,
    id bigint not null,
    project bigint not null,
    name text not null,
    description text not null,
    dtype text not null,
    elemental_id text not null,
    detail text not null,
    primary key (kind, id)
);
create index entity_type_project on entity_type (project, kind);
-- Declared attributes. For kind 'Section' the type is the project.
create table attribute_type (
    id integer primary key,
    kind text not null,
    type bigint not null,
    position bigint not null,
    name text not null,
    dtype text not null,
    definition text not null
);
create index attribute_type_type on attribute_type (kind, type);

-- Typed values of attributes, ordered by value: each row is its own index entry, and a change
-- touches only the values that changed. The JSON document beside the entity is for answering.
create table attribute_number (
    attribute bigint not null,
    value double precision not null,
    entity bigint not null,
    primary key (attribute, value, entity)
) without rowid;
-- `value` holds the first characters, `rest` what is beyond them.
create table attribute_text (
    attribute bigint not null,
    value text not null,
    entity bigint not null,
    rest text,
    primary key (attribute, value, entity)
) without rowid;
create table attribute_place (
    attribute bigint not null,
    latitude double precision not null,
    longitude double precision not null,
    entity bigint not null,
    primary key (attribute, latitude, longitude, entity)
) without rowid;

create table media (
    id integer primary key,
    project bigint,
    type bigint not null,
    name text not null,
    md5 text not null,
    gid text,
    uid text,
    elemental_id text not null,
    primary_section bigint,
    num_frames bigint,
    fps double precision,
    codec text,
    width bigint,
    height bigint,
    summary_level bigint,
    media_files text,
    attributes text not null,
    last_edit_start bigint,
    last_edit_end bigint,
    archive_state text not null,
    archive_status_date bigint,
    created_at bigint not null,
    created_by bigint,
    modified_at bigint not null,
    modified_by bigint,
    deleted boolean not null
);
create index media_order on media (project, name, id) where not deleted;
create index media_type on media (type);
create index media_section on media (primary_section) where primary_section is not null;
create index media_elemental_id on media (elemental_id);
-- Where the pictures of a media come from, and how far their index is.
create table media_source (
    media integer primary key,
    path text,
    object_key text,
    size_bytes bigint not null,
    modified_at bigint not null,
    state text not null,
    message text not null,
    fingerprint text,
    facts text
);
create index media_source_path on media_source (path) where path is not null;
create index media_source_state on media_source (state) where state = 'indexing';

create table localization (
    id integer primary key,
    project bigint not null,
    type bigint not null,
    media bigint not null,
    version bigint not null,
    frame bigint not null,
    x double precision,
    y double precision,
    width double precision,
    height double precision,
    u double precision,
    v double precision,
    points text,
    attributes text not null,
    elemental_id text not null,
    mark bigint not null,
    latest boolean not null,
    variant_deleted boolean not null,
    deleted boolean not null,
    parent bigint,
    thumbnail_image bigint,
    created_at bigint not null,
    created_by bigint,
    modified_at bigint not null,
    modified_by bigint
);
create index localization_project on localization (project);
create index localization_media on localization (media, frame);
create index localization_type on localization (type);
create index localization_identity on localization (elemental_id, version);
create index localization_parent on localization (parent) where parent is not null;

create table state (
    id integer primary key,
    project bigint not null,
    type bigint not null,
    version bigint not null,
    frame bigint,
    media text not null,
    localizations text not null,
    segments text,
    attributes text not null,
    elemental_id text not null,
    mark bigint not null,
    latest boolean not null,
    variant_deleted boolean not null,
    deleted boolean not null,
    parent bigint,
    created_at bigint not null,
    created_by bigint,
    modified_at bigint not null,
    modified_by bigint
);
create index state_project on state (project);
create index state_type on state (type);
create index state_identity on state (elemental_id, version);
create index state_parent on state (parent) where parent is not null;
create table state_media (
    media bigint not null,
    state bigint not null,
    primary key (media, state)
) without rowid;
create index state_media_state on state_media (state);
create table state_localization (
    localization bigint not null,
    state bigint not null,
    primary key (localization, state)
) without rowid;
create index state_localization_state on state_localization (state);

create table leaf (
    id integer primary key,
    project bigint not null,
    type bigint not null,
    name text not null,
    path text not null,
    path_folded text not null,
    depth bigint not null,
    parent bigint,
    attributes text not null,
    elemental_id text not null,
    created_at bigint not null,
    created_by bigint,
    modified_at bigint not null,
    modified_by bigint,
    deleted boolean not null
);
create index leaf_project on leaf (project, path);
create index leaf_parent on leaf (parent) where parent is not null;
create index leaf_type on leaf (type);
create table file (
    id integer primary key,
    project bigint not null,
    type bigint not null,
    name text not null,
    description text not null,
    path text,
    attributes text not null,
    elemental_id text not null,
    created_at bigint not null,
    created_by bigint,
    modified_at bigint not null,
    modified_by bigint,
    deleted boolean not null
);
create index file_project on file (project);
create index file_type on file (type);

-- Stored objects: `blob` names the file that holds the bytes, or `source` the file in place.
create table object (
    key text primary key,
    size_bytes bigint not null,
    etag text not null,
    blob text,
    source text,
    created_at bigint not null
);
create index object_upload on object (created_at) where substr(key, 1, 9) = '_uploads/';
create table object_blob (blob text primary key, uses bigint not null);
create index object_blob_unused on object_blob (blob) where uses <= 0;
create table multipart_upload (id text primary key, key text not null, expires_at bigint not null);
create table multipart_part (
    upload text not null,
    number bigint not null,
    size_bytes bigint not null,
    etag text not null,
    blob text not null,
    primary key (upload, number)
);

-- The ordered record of every change. `changes` is a zstd frame of a JSON list of
-- {"id", "before", "after"}.
create table journal (
    seq integer primary key,
    at_ms bigint not null,
    clock text not null,
    account bigint,
    project bigint,
    noun text not null,
    action text not null,
    first_id bigint not null,
    last_id bigint not null,
    count bigint not null,
    changes blob not null
);
create index journal_created on journal (noun, first_id) where action = 'create';
create index journal_project on journal (project, account);
create table journal_entity (
    noun text not null,
    entity bigint not null,
    seq bigint not null,
    primary key (noun, entity, seq)
) without rowid;
