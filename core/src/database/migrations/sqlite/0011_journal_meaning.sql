-- What an entry means to people, where that is not its action: an edit adds a revision, a deletion a tombstone.
alter table journal add column meaning text;
