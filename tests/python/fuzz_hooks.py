"""Lets the fuzzer's requests name things that are there: ids in paths are small ones."""

import schemathesis


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    for name, value in (path_parameters or {}).items():
        if isinstance(value, int) and not isinstance(value, bool):
            path_parameters[name] = abs(value) % 4 + 1
    return path_parameters


@schemathesis.hook
def map_query(context, query):
    """Nobody waits for a journal that is silent."""
    if query and "wait" in query:
        query["wait"] = 0
    return query
