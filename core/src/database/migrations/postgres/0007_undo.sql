-- Which change took which back; changes are named by their clock, which all entries of one request share.
create table journal_undo (
    undone text primary key,
    by_clock text not null,
    by_entry bigint not null
);
create index journal_undo_by on journal_undo (by_clock);
