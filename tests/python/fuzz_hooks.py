"""Lets the fuzzer's requests name things that are there (ids in paths are small ones), and numbers be extreme."""

import schemathesis

EXTREMES = [2**31, 2**32, 2**53 + 1, 2**63 - 1, 2**64]


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    for name, value in (path_parameters or {}).items():
        if isinstance(value, int) and not isinstance(value, bool):
            path_parameters[name] = abs(value) % 4 + 1
    return path_parameters


@schemathesis.hook
def map_query(context, query):
    """Some numbers grow beyond what programs have room for. Nobody waits for a journal that is silent."""
    for name, value in (query or {}).items():
        if isinstance(value, int) and not isinstance(value, bool) and value % 5 == 3:
            query[name] = EXTREMES[value % len(EXTREMES)]
    if query and "wait" in query:
        query["wait"] = 0
    return query
