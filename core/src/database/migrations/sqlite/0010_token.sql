-- Tokens are found by their hash, and sealed with a secret that is not in the database. Older ones have
-- no hash until the program has sealed them.
alter table token rename to token_plain;
create table token (
    account bigint primary key,
    key_hash text not null,
    key_sealed text not null,
    created_at bigint not null
);
insert into token (account, key_hash, key_sealed, created_at)
select account, '', key, created_at from token_plain;
drop table token_plain;
create unique index token_key_hash on token (key_hash) where key_hash <> '';
