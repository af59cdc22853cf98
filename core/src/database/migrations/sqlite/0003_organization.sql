-- active, disabled (may not sign in), or unconfirmed (until the e-mail address is).
alter table account add column status text not null default 'active';

-- Links that were mailed to people: what they are for, and until when they work.
create table account_link (
    token_hash text primary key,
    purpose text not null,
    account bigint not null,
    expires_at bigint not null
);

create table invitation (
    id integer primary key,
    organization bigint not null,
    email text not null,
    permission text not null,
    accepted boolean not null,
    registration_token text not null unique,
    created_by bigint not null,
    created_at bigint not null,
    expires_at bigint not null
);
create index invitation_organization on invitation (organization, created_at);

create table account_group (
    id integer primary key,
    organization bigint not null,
    name text not null
);
create index account_group_organization on account_group (organization);
create table account_group_member (
    account_group bigint not null,
    account bigint not null,
    primary key (account_group, account)
) without rowid;
create index account_group_member_account on account_group_member (account);

create index bucket_organization on bucket (organization);

create table job_cluster (
    id integer primary key,
    organization bigint not null,
    name text not null,
    host text not null,
    port bigint not null,
    token text not null,
    cert text not null
);
create index job_cluster_organization on job_cluster (organization);

-- Grants of the row-protection model: one target, one grantee. They are kept and decide nothing.
create table row_protection (
    id integer primary key,
    target_kind text not null,
    target bigint not null,
    grantee_kind text not null,
    grantee bigint not null,
    permission bigint not null,
    created_by bigint not null,
    created_at bigint not null
);
create index row_protection_target on row_protection (target_kind, target);
create index row_protection_grantee on row_protection (grantee_kind, grantee);

create table announcement (
    id integer primary key,
    markdown text not null,
    created_at bigint not null,
    eol_at bigint not null
);
create table announcement_dismissal (
    id integer primary key,
    announcement bigint not null,
    account bigint not null,
    unique (account, announcement)
);
