-- Entities that have no typed value of an attribute that their type declares: what comes first or
-- last in the order of that attribute.
create table attribute_absent (
    attribute bigint not null,
    entity bigint not null,
    primary key (attribute, entity)
);

insert into attribute_absent (attribute, entity)
select attribute, entity from (
    select a.id as attribute, t.id as entity from attribute_type a join media t on t.type = a.type
    where a.kind = 'MediaType' and a.dtype not in ('float_array', 'blob') and not t.deleted
    union all
    select a.id, t.id from attribute_type a join localization t on t.type = a.type
    where a.kind = 'LocalizationType' and a.dtype not in ('float_array', 'blob') and not t.deleted
    union all
    select a.id, t.id from attribute_type a join state t on t.type = a.type
    where a.kind = 'StateType' and a.dtype not in ('float_array', 'blob') and not t.deleted
    union all
    select a.id, t.id from attribute_type a join leaf t on t.type = a.type
    where a.kind = 'LeafType' and a.dtype not in ('float_array', 'blob') and not t.deleted
    union all
    select a.id, t.id from attribute_type a join file t on t.type = a.type
    where a.kind = 'FileType' and a.dtype not in ('float_array', 'blob') and not t.deleted
    union all
    select a.id, t.id from attribute_type a join section t on t.project = a.type
    where a.kind = 'Section' and a.dtype not in ('float_array', 'blob')
) declared
except
select attribute, entity from (
    select attribute, entity from attribute_number
    union all
    select attribute, entity from attribute_text
    union all
    select attribute, entity from attribute_place
) valued;
