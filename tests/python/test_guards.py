"""What must not go through: other people's rows, mistyped filters, files that are not the ones that were imported."""

import concurrent.futures
import http.client
import shutil
import time

import pytest
from station import PASSWORD
from support import Scene, add_state_type, refused, unique


@pytest.fixture
def strangers_boxes(admin, organization):
    """Boxes of another project."""
    other = admin.create_project(project_spec={"name": unique("Theirs"), "organization": organization}).id
    scene = Scene(admin, other)
    return scene, scene.add({"frame": 1}, {"frame": 2}, {"frame": 3})


@pytest.fixture
def track(admin, project):
    scene = Scene(admin, project)
    mine, = scene.add({"frame": 5})
    kind = add_state_type(admin, project, [scene.video_type], "Localization")
    made = admin.create_state_list(project, body={"type": kind, "media_ids": [scene.videos[0]], "localization_ids": [mine]})
    return made.id[0], mine


def test_a_state_takes_no_members_of_another_project(admin, track, strangers_boxes):
    state, mine = track
    scene, theirs = strangers_boxes
    for update in ({"localization_ids_add": theirs}, {"localization_ids": [mine, *theirs]}, {"media_ids": scene.videos}):
        refused(400, admin.update_state, state, state_update=update)
    row = admin.get_state(state)
    assert (row.localizations, row.segments) == ([mine], [[5, 5]])
    admin.trim_state_end(state, state_trim_update={"frame": 1000, "endpoint": "start"})
    assert scene.found() == theirs


def test_a_parent_of_another_project_is_refused(admin, project, strangers_boxes):
    _, theirs = strangers_boxes
    scene = Scene(admin, project)
    mine, = scene.add({})
    refused(400, admin.update_localization, mine, localization_update={"parent": theirs[0]})


def test_a_mistyped_filter_changes_nothing(admin, project):
    scene = Scene(admin, project)
    made = scene.add({"attributes": {"Count": 1}}, {"attributes": {"Count": 2}})
    update = {"attributes": {"Count": 9}, "in_place": 1}
    refused(400, admin.update_localization_list, project, attribute=["Cuont::1"], localization_bulk_update=update)
    refused(400, admin.delete_localization_list, project, attribute=["Cuont::1"])
    refused(400, admin.delete_media_list, project, attribute=["Nope::1"])
    assert scene.found() == made
    assert [row.attributes["Count"] for row in scene.list()] == [1, 2]


def test_keys_that_a_bulk_change_does_not_declare_do_nothing(admin, project):
    scene = Scene(admin, project, videos=2)
    before = [admin.get_media(one).name for one in scene.videos]
    admin.update_media_list(project, media_bulk_update={"archive_state": "to_live", "name": "taken", "media_files": {"image": []}})
    assert [admin.get_media(one).name for one in scene.videos] == before
    assert all(admin.get_media(one).media_files is None for one in scene.videos)


def test_a_huge_mark_is_refused(admin, project):
    scene = Scene(admin, project)
    made, = scene.add({})
    refused(400, admin.update_localization, made, localization_update={"mark": 2**63 - 1})
    assert admin.update_localization(made, localization_update={"x": 0.5}).object["mark"] == 1


def test_parallel_guesses_lock_an_account(station):
    name = unique("guessed").replace(" ", "_")
    station.add_user(name)

    def guess(number):
        body = {"username": name, "password": f"wrong {number}"}
        return station.http("POST", "/rest/Token", json=body).json()["message"]

    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        messages = list(pool.map(guess, range(10)))
    assert sum("locked" in message for message in messages) == 7
    assert station.http("POST", "/rest/Token", json={"username": name, "password": PASSWORD}).status_code == 400


def test_a_swapped_file_says_so_until_it_is_imported_again(station, corpus, tmp_path):
    clip, other = corpus["h264_cfr25"], corpus["h264_cfr30"]
    path = tmp_path / "dive.mp4"
    shutil.copy(clip["path"], path)
    name = unique("Swapped")
    media = station.lines("import", path, "--project", name)[0]["media"]

    def index():
        return station.http("GET", f"/rest/FrameIndex/{media}", station.admin_token).json()

    assert (index()["state"], index()["num_frames"]) == ("ready", clip["frames"])
    path.unlink()
    shutil.copy(other["path"], path)
    assert index()["state"] == "failed" and "not the one that was imported" in index()["message"]
    assert station.http("GET", f"/rest/FramePicture/{media}/0", station.admin_token).status_code == 400
    again = station.lines("import", path, "--project", name)[0]
    assert (again["media"], again["state"]) == (media, "ready")
    assert index()["state"] == "ready"


def test_a_refused_request_leaves_its_connection_usable(station):
    """The head comes first and the body a moment later, as many clients send them; the refusal does not need the body."""
    body = b'{"name": "here", "uri": "/1"}'
    connection = http.client.HTTPConnection(station.listen, timeout=30)
    for _ in range(3):
        connection.putrequest("POST", "/rest/Bookmarks/1")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders()
        time.sleep(0.2)
        connection.send(body)
        answer = connection.getresponse()
        assert answer.status >= 400 and answer.read()
        assert connection.sock is not None, "the station closed the connection"
    connection.close()
