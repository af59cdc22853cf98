"""The journal's tail, and taking back what it wrote down."""

import threading
import time

import pytest
from flows import link_to
from station import wait_for
from support import NOWHERE, add_leaf_type, add_media_type, ids, refused, unique
from test_state import Tracks
from test_upload import upload_media
from test_user_buckets import transcoded


def test_the_last_change_is_ones_own_and_not_of_a_job_in_ones_name(admin, project, corpus, undo):
    """What a transcode makes and records under the account of whoever asked for it is left out, unless it is asked for."""
    kind = add_media_type(admin, project, "video")
    response = upload_media(admin, kind, corpus["h264_cfr25"]["path"])
    admin.update_project(project, project_update={"summary": "mine"})
    media = wait_for("the transcode", lambda: transcoded(admin, project, response))
    assert undo(last=1).changes == ["update 1 project"] and admin.get_project(project).summary == ""
    assert admin.get_media(media.id).media_files.streaming
    entry = admin.get_journal(project, newest=True, limit=50)
    made = [one for one in entry if one.noun == "media"]
    assert any(one.user and one.action == "update" for one in made), made
    assert all("media" in what for what in undo(last=1, jobs=True).changes)


@pytest.fixture
def scene(admin, project):
    return Tracks(admin, project)


@pytest.fixture
def undo(admin, project):
    """Takes back entries, or the caller's last changes."""
    return lambda entries=None, api=admin, **spec: api.undo(
        project, undo_spec={**({"entries": entries} if entries else {}), **spec})


@pytest.fixture
def last(admin, project):
    """The newest entry of the journal."""
    return lambda: admin.get_journal(project, newest=True, limit=1)[0].id


def plain(row):
    """A row without what says who touched it last."""
    return {key: value for key, value in row.to_dict().items() if key not in ("modified_datetime", "modified_by")}


def test_an_edit_comes_back_with_its_old_id(admin, scene, undo, last):
    made = scene.add({"attributes": {"Species": "cod", "Count": 1}})[0]
    before = plain(admin.get_localization(made))
    admin.update_localization(made, localization_update={"x": 0.5, "attributes": {"Species": "eel"}})
    edited = scene.list()[0].id
    assert edited != made and scene.found(attribute=["Species::eel"]) == [edited]
    answer = undo(last=1)
    assert answer.message == "Successfully undid 1 change (1 row)!"
    assert plain(scene.list()[0]) == before
    assert (scene.found(attribute=["Species::eel"]), scene.found(attribute=["Species::cod"])) == ([], [made])
    undo(answer.entries)
    assert (scene.list()[0].id, scene.list()[0].x) == (edited, 0.5)
    assert scene.found(attribute=["Species::eel"]) == [edited]


def test_the_last_changes_are_never_the_project_itself(admin, organization, undo):
    project = admin.create_project(project_spec={"name": unique("P"), "organization": organization}).id
    admin.create_section(project, section_spec={"name": "Leg 1"})
    every = [entry.action for entry in admin.get_journal(project)]
    assert every.count("create") >= 2
    admin.undo(project, undo_spec={"last": 100})
    assert admin.get_section_list(project) == [] and admin.get_project(project).id == project
    made = next(entry.id for entry in admin.get_journal(project) if entry.noun == "project" and entry.action == "create")
    admin.undo(project, undo_spec={"entries": [made]})
    refused(404, admin.get_project, project)


def test_an_edit_in_place_keeps_what_others_did_to_other_fields(admin, scene, undo, last):
    made = scene.add({"attributes": {"Species": "cod", "Count": 1}})[0]
    change = lambda **fields: admin.update_localization(made, localization_update={"in_place": 1, **fields})
    change(x=0.5, attributes={"Species": "eel"})
    mine = last()
    change(y=0.75, attributes={"Count": 2})
    undo([mine])
    row = admin.get_localization(made)
    assert (row.x, row.y, row.attributes["Species"], row.attributes["Count"]) == (0.1, 0.75, "cod", 2)
    assert scene.found(attribute=["Species::cod"], attribute_gt=["Count::1"]) == [made]


def test_a_field_that_changed_again_is_a_conflict_unless_forced(admin, scene, undo, last):
    made = scene.add({})[0]
    change = lambda **fields: admin.update_localization(made, localization_update={"in_place": 1, **fields})
    change(x=0.5, y=0.5)
    first = last()
    change(x=0.6)
    answer = refused(400, undo, [first])
    assert f"change {first} can not be taken back" in answer["message"] and f"localization {made}: x" in answer["details"]
    row = admin.get_localization(made)
    assert (row.x, row.y) == (0.6, 0.5)
    undo([first], force=True)
    row = admin.get_localization(made)
    assert (row.x, row.y) == (0.1, 0.2)


def test_several_changes_of_one_row_at_once(admin, scene, undo):
    made = scene.add({"attributes": {"Count": 0}})[0]
    for count in (1, 2, 3):
        admin.update_localization(made, localization_update={"in_place": 1, "attributes": {"Count": count}})
    answer = undo(last=3)
    assert admin.get_localization(made).attributes["Count"] == 0
    undo(answer.entries)
    assert admin.get_localization(made).attributes["Count"] == 3


def test_many_at_once(admin, project, scene, undo):
    made = scene.add(*({"frame": frame, "attributes": {"Count": frame}} for frame in range(50)))
    before = [plain(row) for row in scene.list()]
    admin.update_localization_list(project, localization_bulk_update={"attributes": {"Count": 77}}, attribute_gte=["Count::10"])
    admin.delete_localization_list(project, attribute=["Count::77"])
    assert admin.get_localization_count(project) == 10
    assert undo(last=2).message == "Successfully undid 2 changes (80 rows)!"
    assert [plain(row) for row in scene.list()] == before and ids(scene.list()) == made
    undo(last=1)
    assert scene.list() == []


def test_a_deleted_track_comes_back_with_its_members(admin, project, scene, undo):
    track, members = scene.track([3, 4, 5, 9])
    before = plain(scene.state(track))
    admin.delete_localization(members[1])
    after = scene.state(scene.states()[0])
    assert members[1] not in after.localizations and after.segments == [[3, 3], [5, 5], [9, 9]]
    undo(last=1)
    assert plain(scene.state(scene.states()[0])) == before
    assert scene.states(related_id=[members[1]]) == [track]
    admin.delete_state(track)
    assert scene.states() == []
    undo(last=1)
    assert scene.states() == [track] and plain(scene.state(track)) == before


def test_a_deleted_media_comes_back_with_everything_on_it(admin, project, scene, undo):
    track, members = scene.track([1, 2])
    playlist = admin.create_section(project, section_spec={"name": unique("list"), "media": [scene.video], "explicit_listing": True}).id
    admin.delete_media(scene.video)
    assert (scene.list(), scene.states(), admin.get_section(playlist).media) == ([], [], [])
    undo(last=1)
    assert (ids(scene.list()), scene.states(), admin.get_section(playlist).media) == (members, [track], [scene.video])
    assert scene.video in ids(admin.get_media_list(project, section=playlist))


def test_sections_versions_bookmarks_favorites_files_leaves_members(admin, project, scene, undo, people):
    folder = admin.create_section(project, section_spec={"name": "Dive", "path": "Dive"}).id
    admin.update_media(scene.video, media_update={"primary_section": folder})
    section = plain(admin.get_section(folder))
    admin.delete_section(folder)
    assert admin.get_media(scene.video).primary_section is None
    undo(last=1)
    assert plain(admin.get_section(folder)) == section and admin.get_media(scene.video).primary_section == folder
    assert ids(admin.get_media_list(project, section=folder)) == [scene.video]

    version = admin.create_version(project, version_spec={"name": "Layer", "description": "d"}).id
    row = plain(admin.get_version(version))
    admin.delete_version(version)
    undo(last=1)
    assert plain(admin.get_version(version)) == row

    bookmark = admin.create_bookmark(project, bookmark_spec={"name": "here", "uri": "/1"}).id
    admin.update_bookmark(bookmark, bookmark_update={"name": "there"})
    undo(last=1)
    assert admin.get_bookmark(bookmark).name == "here"

    leaf_type = add_leaf_type(admin, project, [{"name": "Rank", "dtype": "string"}])
    fish = admin.create_leaf_list(project, body={"name": "Fish", "type": leaf_type}).id[0]
    cod = admin.create_leaf_list(project, body={"name": "Cod", "type": leaf_type, "parent": fish, "attributes": {"Rank": "species"}}).id[0]
    admin.delete_leaf(fish)
    assert admin.get_leaf_count(project) == 0
    undo(last=1)
    assert ids(admin.get_leaf_list(project, attribute=["Rank::species"], depth=3)) == [cod]
    assert admin.get_leaf(cod).path.endswith(".Fish.Cod")

    member = admin.create_membership(project, membership_spec={"user": people.stranger.id, "permission": "View Only"}).id
    admin.delete_membership(member)
    refused(403, people.stranger.api.get_media, scene.video)
    undo(last=1)
    assert people.stranger.api.get_media(scene.video).id == scene.video
    undo(last=2)
    refused(403, people.stranger.api.get_media, scene.video)


def test_who_may(admin, project, scene, undo, members, last):
    made = scene.add({})[0]
    by_admin = last()
    for person in (members.viewer, members.editor):
        refused(403, undo, [by_admin], api=person.api)
    assert "nothing of yours" in refused(400, undo, api=members.editor.api, last=1)["message"]
    members.editor.api.update_localization(made, localization_update={"x": 0.5})
    undo(api=members.editor.api, last=1)
    assert ids(scene.list()) == [made]
    members.editor.api.update_localization(made, localization_update={"x": 0.5})
    undo([last()], api=members.owner.api)
    assert ids(scene.list()) == [made]
    refused(403, members.stranger.api.get_journal, project)
    refused(403, undo, [by_admin], api=members.stranger.api)


def test_wrong_input(admin, project, scene, undo, last, tmp_path):
    refused(400, undo)
    refused(400, undo, [last()], last=1)
    refused(404, undo, [NOWHERE])
    other = admin.get_journal(project, limit=1)[0].id
    url = link_to(admin, project, tmp_path, "<p>notes</p>", "page.html")
    page = admin.save_generic_file(project, generic_file_spec={"name": "page.html", "upload_url": url}).url
    admin.register_applet(project, applet_spec={"name": "Notes", "html_file": page})
    answer = refused(400, undo, [last()])
    assert "has no undo" in answer["message"]
    scene.add({})
    entry = last()
    undo([entry])
    assert "taken back already" in refused(400, undo, [entry])["message"]
    assert other


def test_what_somebody_edited_since_is_not_thrown_away(admin, project, scene, undo, last, members):
    made = scene.add({"attributes": {"Species": "cod"}})[0]
    mine = last()
    members.editor.api.update_localization(made, localization_update={"attributes": {"Species": "ray"}})
    edited = scene.list()[0].id
    answer = refused(400, undo, [mine])
    assert "1 rows were changed again" in answer["message"] and f"localization {made} has a newer revision" in str(answer)
    assert (scene.list()[0].id, scene.list()[0].attributes["Species"]) == (edited, "ray")
    undo(last=1, api=members.editor.api)
    assert (scene.list()[0].id, scene.list()[0].attributes["Species"]) == (made, "cod")
    undo([mine])
    assert scene.list() == []


def test_the_journal_names_changes_of_revisions_as_people_do(admin, project, scene, undo, last):
    start = last()
    made = scene.add({}, {})
    admin.update_localization(made[0], localization_update={"x": 0.5})
    admin.delete_localization_list(project)
    undone = undo(last=1).entries
    undo(undone)
    undo(last=1)
    words = [entry.action for entry in admin.get_journal(project, after=start)]
    assert words == ["create", "update", "delete", "restore", "delete", "restore"]
    undo(last=1)
    assert admin.get_journal(project, newest=True, limit=1)[0].action == "update"


def test_many_rows_are_taken_back_as_one(admin, project, scene, undo):
    """Deletions, edits in place and edits of thousands come back whole, and are found by their values again."""
    count = 3000
    made = [one for at in range(0, count, 500) for one in scene.add(*({"attributes": {"Species": "cod", "Count": at}},) * 500)]
    before = {row.id: plain(row) for row in scene.list()}
    admin.delete_localization_list(project)
    assert scene.list() == []
    undo(last=1)
    assert {row.id: plain(row) for row in scene.list()} == before
    assert admin.get_localization_count(project, attribute=["Species::cod"]) == count
    admin.update_localization_list(project, localization_bulk_update={"in_place": 1, "attributes": {"Species": "eel"}})
    undo(last=1)
    assert {row.id: plain(row) for row in scene.list()} == before
    admin.update_localization_list(project, localization_bulk_update={"attributes": {"Species": "ray"}})
    assert admin.get_localization_count(project, attribute=["Species::ray"]) == count
    undo(last=1)
    assert {row.id: plain(row) for row in scene.list()} == before and set(made) == set(before)
    assert admin.get_localization_count(project, attribute=["Species::ray"]) == 0
    assert admin.get_localization_count(project, attribute=["Species::cod"]) == count


def test_the_journal_tells_who_did_what_and_when(admin, project, scene, last):
    start = last()
    made = scene.add({}, {})
    admin.update_localization_list(project, localization_bulk_update={"in_place": 1, "attributes": {"Count": 3}})
    created, updated = admin.get_journal(project, after=start)
    assert (created.noun, created.action, created.count, created.first_id, created.last_id) == ("localization", "create", 2, made[0], made[1])
    assert (updated.action, updated.user, updated.change, updated.undone_by) == ("update", admin.whoami().id, updated.id, None)
    assert created.id < updated.id and created.rows is None
    detail = admin.get_journal(project, after=start, detail=True, noun="localization", entity_id=made[1])
    assert [entry.id for entry in detail] == [created.id, updated.id]
    row = next(row for row in detail[1].rows if row["id"] == made[1])
    assert (row["before"]["attributes"].get("Count"), row["after"]["attributes"]["Count"]) == (None, 3)
    back = admin.undo(project, undo_spec={"last": 1})
    assert admin.get_journal(project, after=created.id, limit=1)[0].undone_by == back.entries[0]
    assert ids(admin.get_journal(project, newest=True, limit=1)) == back.entries
    refused(400, admin.get_journal, project, entity_id=made[0])


def test_the_journal_can_be_followed(admin, project, scene, last):
    start = last()
    assert admin.get_journal(project, after=start) == []
    found = []
    follower = threading.Thread(target=lambda: found.extend(admin.get_journal(project, after=start, wait=30)))
    began = time.monotonic()
    follower.start()
    made = scene.add({})
    follower.join(20)
    assert [entry.first_id for entry in found] == made and time.monotonic() - began < 20


def test_undo_survives_kill_9(new_station, tmp_path):
    import tator
    from support import Scene
    station = new_station()
    api = tator.get_api(station.url, station.admin_token)
    organization = api.create_organization(organization_spec={"name": "o"}).id
    project = api.create_project(project_spec={"name": "p", "organization": organization}).id
    scene = Scene(api, project)
    made = scene.add({}, {})
    api.delete_localization_list(project)
    station.kill()
    station.start()
    api = tator.get_api(station.url, station.admin_token)
    assert api.get_localization_count(project) == 0
    api.undo(project, undo_spec={"last": 1})
    assert ids(api.get_localization_list(project)) == made
