"""Two clients at once: neither loses what the other wrote."""

import threading

import pytest
import tator
from support import Scene, add_media_type, add_video, ids

ROUNDS = 50


@pytest.fixture
def clients(station, members):
    """Two stock clients of two people."""
    return [tator.get_api(station.url, person.token) for person in (members.owner, members.editor)]


def at_once(*works):
    """Runs every work in a thread of its own, all released together; what one raises is raised here."""
    gate, raised = threading.Barrier(len(works)), []

    def run(work):
        try:
            gate.wait(60)
            work()
        except BaseException as error:  # noqa: BLE001 (it is raised again below)
            raised.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if raised:
        raise raised[0]


def test_two_clients_patch_one_media(admin, project, clients):
    kind = add_media_type(admin, project, attributes=[{"name": "Camera", "dtype": "string"}, {"name": "Depth", "dtype": "int"}])
    media = add_video(admin, project, kind)

    def patch(api, change, read):
        def work():
            for n in range(1, ROUNDS + 1):
                api.update_media(media, media_update=change(n))
                assert read(api.get_media(media)) == n
        return work

    at_once(patch(clients[0], lambda n: {"attributes": {"Camera": str(n)}}, lambda row: int(row.attributes["Camera"])),
            patch(clients[1], lambda n: {"attributes": {"Depth": n}, "name": f"{n}.mp4"}, lambda row: row.attributes["Depth"]))
    row = admin.get_media(media)
    assert (row.attributes["Camera"], row.attributes["Depth"], row.name) == (str(ROUNDS), ROUNDS, f"{ROUNDS}.mp4")
    assert ids(admin.get_media_list(project, attribute=[f"Camera::{ROUNDS}", f"Depth::{ROUNDS}"])) == [media]


def test_two_clients_patch_one_localization(admin, project, clients):
    scene = Scene(admin, project)
    first, = scene.add({"attributes": {"Species": "0", "Count": 0}})
    seen = [[], []]

    def patch(which, change, read):
        def work():
            for n in range(1, ROUNDS + 1):
                row = clients[which].update_localization(first, localization_update=change(n)).object
                assert read(row) == n
                seen[which].append(row)
        return work

    at_once(patch(0, lambda n: {"attributes": {"Species": str(n)}}, lambda row: int(row["attributes"]["Species"])),
            patch(1, lambda n: {"attributes": {"Count": n}, "x": n / 100}, lambda row: row["attributes"]["Count"]))
    rows = scene.list(show_all_marks=1)
    assert sorted(row.mark for row in rows) == list(range(2 * ROUNDS + 1))
    assert len(set(ids(rows))) == 2 * ROUNDS + 1
    # Every revision goes on from the one before it: no field ever falls back.
    rows.sort(key=lambda row: row.mark)
    assert [row.id for row in rows] == sorted(ids(rows))
    for before, after in zip(rows, rows[1:]):
        steps = (int(after.attributes["Species"]) - int(before.attributes["Species"]),
                 after.attributes["Count"] - before.attributes["Count"])
        assert steps in ((1, 0), (0, 1)), after.mark
    assert {row["mark"] for rows_of_one in seen for row in rows_of_one} == set(range(1, 2 * ROUNDS + 1))
    latest, = scene.list()
    assert (latest.attributes, latest.x, latest.mark) == (
        {"Species": str(ROUNDS), "Count": ROUNDS}, ROUNDS / 100, 2 * ROUNDS)


def test_two_clients_rewrite_one_localization_in_place(admin, project, clients):
    scene = Scene(admin, project)
    made, = scene.add({})

    def patch(api, change):
        def work():
            for n in range(1, ROUNDS + 1):
                api.update_localization(made, localization_update={**change(n), "in_place": 1})
        return work

    at_once(patch(clients[0], lambda n: {"attributes": {"Species": str(n)}}), patch(clients[1], lambda n: {"x": n / 100}))
    row, = scene.list(show_all_marks=1)
    assert (row.id, row.mark, row.attributes["Species"], row.x) == (made, 0, str(ROUNDS), ROUNDS / 100)
