-- Algorithms: workflows that a project can launch over its media.
create table algorithm (
    id integer primary key,
    project bigint not null,
    name text not null,
    account bigint not null,
    description text,
    manifest text,
    cluster bigint,
    files_per_job bigint not null,
    categories text not null,
    parameters text not null,
    template bigint,
    tparams text not null,
    headers text not null,
    extended_info text not null,
    created_by bigint not null,
    created_at bigint not null,
    unique (project, name)
);
create index algorithm_template on algorithm (template);
create index algorithm_cluster on algorithm (cluster);

-- Applets: pages of a project that the user interface shows in a frame.
create table applet (
    id integer primary key,
    project bigint not null,
    name text not null,
    html_file text,
    description text,
    categories text not null,
    template bigint,
    tparams text not null,
    headers text not null,
    extended_info text not null,
    created_by bigint not null,
    created_at bigint not null
);
create index applet_project on applet (project);
create index applet_template on applet (template);

-- Hosted templates: where texts of algorithms and applets are fetched from.
create table hosted_template (
    id integer primary key,
    organization bigint not null,
    name text not null,
    url text not null,
    tparams text not null,
    headers text not null
);
create index hosted_template_organization on hosted_template (organization);
