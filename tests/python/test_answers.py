"""Long lists that are given again from memory are the rows as they stand."""

import json
import random

import pytest
import requests
from support import Scene
from test_state import Tracks

COUNT = 1500


@pytest.fixture
def scene(admin, project):
    scene = Scene(admin, project)
    for _ in range(COUNT // 500):
        scene.add(*({"attributes": {"Species": "cod"}},) * 500)
    return scene


def test_a_list_given_again_is_never_stale(station, admin, project, organization, people, scene):
    path = f"/rest/Localizations/{project}"
    asked = lambda: station.http("GET", path, station.admin_token)
    first = asked()
    assert len(first.content) > 300_000, "too short to be kept"
    assert asked().content == first.content
    rows = first.json()
    admin.update_localization(rows[7]["id"], localization_update={"x": 0.5})
    again = asked().json()
    assert len(again) == COUNT and sum(row["x"] == 0.5 for row in again) == 1
    # What happens in another project does not matter.
    Scene(admin, admin.create_project(project_spec={"name": f"Other {project}", "organization": organization}).id).add({})
    assert asked().json() == again
    admin.create_attribute_type(scene.box_type, attribute_type_spec={
        "entity_type": "LocalizationType", "addition": {"name": "Depth", "dtype": "float", "default": 3.5}})
    assert all(row["attributes"]["Depth"] == 3.5 for row in asked().json())
    admin.delete_localization_list(project)
    assert asked().json() == []


def test_a_list_given_again_knows_where_its_media_went(station, admin, project, scene):
    path = f"/rest/Localizations/{project}"
    folders = lambda more="": {row.get("master_section") for row in station.http("GET", path + more, station.admin_token).json()}
    folder = admin.create_section(project, section_spec={"name": "One"}).id
    assert folders() == folders() == {None}
    admin.update_media(scene.video, media_update={"name": "other.mp4"})
    scene.add({})
    assert folders() == {None}
    admin.update_media(scene.video, media_update={"primary_section": folder})
    scene.add({})
    assert folders() == folders("?fields=id,master_section") == {folder}
    admin.delete_section(folder)
    assert folders() == folders("?fields=id,master_section") == {None}


def test_nobody_is_given_what_they_may_not_see(station, admin, project, people, scene):
    path = f"/rest/Localizations/{project}"
    assert len(station.http("GET", path, station.admin_token).json()) == COUNT
    assert station.http("GET", path, people.stranger.token).status_code == 403
    membership = admin.create_membership(project, membership_spec={"user": people.viewer.id, "permission": "View Only"}).id
    assert len(station.http("GET", path, people.viewer.token).json()) == COUNT
    admin.delete_membership(membership)
    assert station.http("GET", path, people.viewer.token).status_code == 403


def test_every_form_has_the_same_rows(station, project, scene):
    path = f"/rest/Localizations/{project}"
    get = lambda form: requests.get(f"{station.url}{path}?format={form}", headers={"Authorization": f"Token {station.admin_token}"},
                                    timeout=60)
    for _ in range(2):
        rows = get("json").json()
        assert len(rows) == COUNT
        assert [json.loads(line) for line in get("jsonl").text.splitlines()] == rows
        assert get("pprint").json() == rows
        table = get("csv").text.splitlines()
        assert len(table) == COUNT + 1 and table[1].startswith(str(rows[0]["id"]))


def test_rows_that_change_take_their_places(station, admin, project):
    """Whatever is done, a list that is kept is the list that is read anew."""
    scene = Tracks(admin, project)
    for _ in range(COUNT // 500):
        scene.add(*({"attributes": {"Species": "cod", "Count": 1}},) * 500)
    for _ in range(3):
        admin.create_state_list(project, body=[
            {"type": scene.event_type, "media_ids": [scene.video], "frame": n, "attributes": {"Name": "n" * 60}} for n in range(500)])
    scene.track([1, 2, 3])
    fresh = iter(range(10**6))  # a question that nobody has asked is read from the database

    def same():
        for noun, more in (("Localizations", ""), ("Localizations", "attribute=Species::cod&"), ("Localizations", "fields=x,frame&"),
                           ("Localizations", "show_all_marks=1&"), ("States", "")):
            get = lambda extra: station.http("GET", f"/rest/{noun}/{project}?{more}{extra}", station.admin_token).content
            assert get("") == get(f"after=-{next(fresh) + 2}"), (noun, more)

    same()
    dice = random.Random(7)
    for turn in range(40):
        rows = scene.list(stop=2000)
        row = dice.choice(rows)
        match turn % 8:
            case 0: admin.update_localization(row.id, localization_update={"x": dice.random() / 2})
            case 1: admin.update_localization(row.id, localization_update={"y": 0.25, "in_place": 1, "attributes": {"Species": "eel"}})
            case 2: admin.delete_localization(row.id)
            case 3: admin.delete_localization(row.id, localization_delete={"prune": 1})
            case 4: scene.add(*({"frame": n, "attributes": {"Species": dice.choice(["cod", "eel"])}} for n in range(dice.randrange(1, 30))))
            case 5: admin.update_localization_list(project, localization_bulk_update={"attributes": {"Species": "ray"}}, after=rows[-20].id)
            case 6: admin.undo(project, undo_spec={"last": 1, "force": True})
            case 7: admin.delete_state(dice.choice(admin.get_state_list(project, stop=100)).id)
        same()
    admin.delete_localization_list(project, after=scene.list()[-COUNT // 3].id)
    same()
