"""Projects, who belongs to them, layers, bookmarks and favorites."""

import uuid

import pytest
from support import NOWHERE, Scene, add_leaf_type, add_state_type, add_video, box, ids, refused, unique


def test_a_new_project(admin, organization):
    name = unique("Seamount")
    made = admin.create_project(project_spec={"name": name, "organization": organization, "summary": "2026"})
    row = admin.get_project(made.id)
    assert (row.name, row.summary, row.organization, row.permission) == (name, "2026", organization, "Creator")
    assert (row.enable_downloads, row.bucket, row.thumb, row.attribute_types) == (True, None, None, [])
    assert uuid.UUID(row.elemental_id)
    assert [(v.name, v.number) for v in admin.get_version_list(made.id)] == [("Baseline", 0)]
    assert [(m.username, m.permission) for m in admin.get_membership_list(made.id)] == [("admin", "Full Control")]


def test_name_is_unique_among_ones_own_projects(admin, organization):
    name = unique("Same")
    admin.create_project(project_spec={"name": name, "organization": organization})
    refused(400, admin.create_project, project_spec={"name": name.upper(), "organization": organization})


def test_list_filters(admin, organization, project):
    eid = str(uuid.uuid4())
    other = admin.create_project(project_spec={"name": unique("B"), "organization": organization, "elemental_id": eid}).id
    listed = ids(admin.get_project_list(organization=organization))
    assert listed == sorted(listed) and {project, other} <= set(listed)
    assert ids(admin.get_project_list(elemental_id=eid)) == [other]
    assert admin.get_project_list(organization=NOWHERE) == []


def test_update(admin, project):
    name = unique("Renamed")
    admin.update_project(project, project_update={"name": name, "summary": "s", "enable_downloads": False})
    row = admin.get_project(project)
    assert (row.name, row.summary, row.enable_downloads) == (name, "s", False)
    refused(400, admin.update_project, project, project_update={})
    refused(400, admin.update_project, project, project_update={"elemental_id": "not a uuid"})


def test_only_the_creator_deletes(admin, members, project):
    refused(403, members.owner.api.delete_project, project)
    admin.delete_project(project)
    refused(404, admin.get_project, project)
    assert project not in ids(admin.get_project_list())


def test_memberships(admin, project, people):
    person = people.viewer
    made = admin.create_membership(project, membership_spec={"user": person.id, "permission": "View Only"})
    row = admin.get_membership(made.id)
    assert (row.project, row.user, row.username, row.permission, row.default_version) == (
        project, person.id, person.name, "View Only", None)
    assert person.api.get_project(project).permission == "View Only"
    admin.update_membership(made.id, membership_update={"permission": "Can Edit"})
    assert person.api.get_project(project).permission == "Can Edit"
    admin.delete_membership(made.id)
    refused(403, person.api.get_project, project)
    refused(404, admin.get_membership, made.id)


def test_second_membership_of_the_same_person(admin, project, people):
    spec = {"user": people.viewer.id, "permission": "View Only"}
    admin.create_membership(project, membership_spec=spec)
    body = refused(400, admin.create_membership, project, membership_spec=spec)
    assert body["message"].startswith("Membership already exists")
    assert len(admin.get_membership_list(project)) == 2


def test_memberships_are_listed_by_last_name(admin, project, people):
    for person, last in ((people.viewer, "Zulu"), (people.editor, "Alpha")):
        person.api.update_user(person.id, user_update={"last_name": last})
        admin.create_membership(project, membership_spec={"user": person.id, "permission": "View Only"})
    names = [(row.last_name, row.username) for row in admin.get_membership_list(project)]
    assert names == sorted(names) and len(names) == 3


def test_versions(admin, project):
    base = admin.get_version_list(project)[0]
    made = admin.create_version(project, version_spec={"name": "AI", "description": "d", "bases": [base.id]})
    row = admin.get_version(made.id)
    assert (row.name, row.description, row.number, row.bases, row.show_empty, row.project) == ("AI", "d", 1, [base.id], True, project)
    third = admin.create_version(project, version_spec={"name": "A", "show_empty": False}).id
    assert [v.number for v in admin.get_version_list(project)] == [0, 1, 2]
    assert ids(admin.get_version_list(project)) == [base.id, made.id, third]
    admin.update_version(third, version_update={"name": "B", "bases": [made.id]})
    assert (admin.get_version(third).name, admin.get_version(third).bases) == ("B", [made.id])
    refused(404, admin.create_version, project, version_spec={"name": "X", "bases": [NOWHERE]})
    admin.delete_version(third)
    refused(404, admin.get_version, third)


def test_a_version_in_use_stays(admin, project):
    scene = Scene(admin, project)
    layer = admin.create_version(project, version_spec={"name": "Layer"}).id
    made = scene.add({"version": layer}, {"version": layer})
    body = refused(400, admin.delete_version, layer)
    assert body["message"] == "Cannot delete version with annotations! Found 2 localizations, 0 states!"
    for one in made:
        admin.delete_localization(one, localization_delete={"prune": 1})
    admin.delete_version(layer)
    refused(404, admin.get_version, layer)


def test_default_version_comes_from_the_membership(admin, project, people):
    scene = Scene(admin, project)
    layer = admin.create_version(project, version_spec={"name": "Hers"}).id
    admin.create_membership(project, membership_spec={"user": people.editor.id, "permission": "Can Edit", "default_version": layer})
    hers = people.editor.api.create_localization_list(project, body=box(scene.video, scene.box_type)).id[0]
    mine, = scene.add({})
    assert admin.get_localization(hers).version == layer
    assert admin.get_localization(mine).version == admin.get_version_list(project)[0].id


def test_bookmarks_are_private(members, project):
    mine, theirs = members.editor.api, members.owner.api
    made = mine.create_bookmark(project, bookmark_spec={"name": "b", "uri": "/2"}).id
    mine.create_bookmark(project, bookmark_spec={"name": "a", "uri": "/1"})
    assert [(row.name, row.uri) for row in mine.get_bookmark_list(project)] == [("a", "/1"), ("b", "/2")]
    assert ids(mine.get_bookmark_list(project, name="b")) == [made]
    assert mine.get_bookmark(made).user == members.editor.id
    assert theirs.get_bookmark_list(project) == []
    mine.update_bookmark(made, bookmark_update={"uri": "/3"})
    assert mine.get_bookmark(made).uri == "/3"
    mine.delete_bookmark(made)
    refused(404, mine.get_bookmark, made)


def test_favorites_are_private(admin, members, project):
    scene = Scene(admin, project)
    mine = members.editor.api
    spec = {"type": scene.box_type, "name": "cod", "values": {"Species": "Gadus"}, "entity_type_name": "Localization"}
    made = mine.create_favorite(project, favorite_spec=spec).id
    row = mine.get_favorite(made)
    assert (row.name, row.type, row["values"], row.page, row.entity_type_name) == (
        "cod", scene.box_type, {"Species": "Gadus"}, 1, "Localization")
    assert ids(mine.get_favorite_list(project)) == [made]
    assert members.owner.api.get_favorite_list(project) == []
    mine.update_favorite(made, favorite_update={"name": "haddock", "entity_type_name": "Localization"})
    assert mine.get_favorite(made).name == "haddock"
    mine.delete_favorite(made)
    assert mine.get_favorite_list(project) == []


def test_change_log(admin, project):
    scene = Scene(admin, project)
    refused(400, admin.get_change_log_list, project)
    admin.update_media(scene.video, media_update={"name": "after.mp4", "attributes": {"Camera": "bow"}})
    rows = admin.get_change_log_list(project, entity_type="media", entity_id=scene.video)
    assert len(rows) == 2  # made, then changed
    created = {item["name"]: item["value"] for item in rows[0].description_of_change["new"]}
    assert created["_name"] == "clip 00.mp4"
    assert {item["value"] for item in rows[0].description_of_change["old"]} == {None}
    old = {item["name"]: item["value"] for item in rows[1].description_of_change["old"]}
    new = {item["name"]: item["value"] for item in rows[1].description_of_change["new"]}
    assert [item["name"] for item in rows[1].description_of_change["old"]] == [
        item["name"] for item in rows[1].description_of_change["new"]]
    assert (old["_name"], new["_name"], new["Camera"]) == ("clip 00.mp4", "after.mp4", "bow")
    assert rows[1].user == admin.whoami().id
    assert admin.get_change_log_list(project, user_id=NOWHERE) == []


def test_change_log_of_a_localization(admin, project):
    scene = Scene(admin, project)
    one, = scene.add({"attributes": {"Species": "cod"}})
    admin.update_localization(one, localization_update={"attributes": {"Species": "ling"}, "in_place": 1})
    rows = admin.get_change_log_list(project, entity_type="localization", entity_id=one)
    assert {"name": "Species", "value": "cod"} in rows[-1].description_of_change["old"]
    assert {"name": "Species", "value": "ling"} in rows[-1].description_of_change["new"]


def deletions(api, project, **about):
    """Users of the rows that say that something was deleted."""
    gone = {"old": [{"name": "_deleted", "value": False}], "new": [{"name": "_deleted", "value": True}]}
    return [row.user for row in api.get_change_log_list(project, **about) if row.description_of_change == gone]


def test_change_log_of_deletions(admin, project, members):
    scene = Scene(admin, project, videos=2)
    made, editor = scene.add({}, {}, {}, {}), members.editor
    editor.api.delete_localization(made[0], localization_delete={"prune": 1})
    assert deletions(admin, project, entity_type="localization", entity_id=made[0]) == [editor.id]
    # All at once is one row, found by each.
    admin.delete_localization_list(project, localization_bulk_delete={"ids": made[1:3], "prune": 1})
    for one in made[1:3]:
        assert deletions(admin, project, entity_type="localization", entity_id=one) == [admin.whoami().id]
    assert len(deletions(admin, project, entity_type="localization")) == 2
    assert deletions(admin, project, entity_type="localization", entity_id=made[3]) == []
    # A media takes along what was drawn on it.
    admin.delete_media(scene.video)
    assert len(deletions(admin, project, entity_type="media", entity_id=scene.video)) == 1
    assert len(deletions(admin, project, entity_type="localization", entity_id=made[3])) == 1
    admin.delete_media_list(project)
    assert len(deletions(admin, project, entity_type="media")) == 2


def test_bulk_change_is_one_row_for_all(admin, project):
    scene = Scene(admin, project)
    made = scene.add({}, {}, {})
    before = len(admin.get_change_log_list(project, entity_type="localization"))
    admin.update_localization_list(project, localization_bulk_update={"attributes": {"Species": "eel"}, "in_place": 1})
    assert len(admin.get_change_log_list(project, entity_type="localization")) == before + 1
    last = [admin.get_change_log_list(project, entity_type="localization", entity_id=one)[-1].id for one in made]
    assert len(set(last)) == 1


def test_bulk_change_of_media_is_one_row_for_all(admin, project):
    videos = Scene(admin, project, videos=3).videos
    before = len(admin.get_change_log_list(project, entity_type="media"))
    admin.update_media_list(project, media_bulk_update={"attributes": {"Camera": "bow"}})
    assert len(admin.get_change_log_list(project, entity_type="media")) == before + 1
    last = [admin.get_change_log_list(project, entity_type="media", entity_id=one)[-1] for one in videos]
    assert len({row.id for row in last}) == 1
    assert {"name": "Camera", "value": "bow"} in last[0].description_of_change["new"]


def test_changes_of_files_are_logged(admin, project):
    kind = admin.create_file_type(project, file_type_spec={"name": "Note"}).id
    made = admin.create_file(project, file_spec={"name": "a.txt", "type": kind}).id
    admin.update_file(made, file_update={"name": "b.txt"})
    admin.delete_file(made)
    created, renamed, deleted = (row.description_of_change for row in admin.get_change_log_list(project, entity_id=made))
    assert {"name": "_name", "value": "a.txt"} in created["new"]
    assert {"name": "_name", "value": "a.txt"} in renamed["old"] and {"name": "_name", "value": "b.txt"} in renamed["new"]
    assert (deleted["old"], deleted["new"]) == ([{"name": "_deleted", "value": False}], [{"name": "_deleted", "value": True}])


@pytest.mark.parametrize("key", ["name", "organization"])
def test_project_needs(admin, organization, key):
    spec = {"name": unique("Half"), "organization": organization}
    del spec[key]
    assert refused(400, admin.create_project, project_spec=spec)["message"] == "Request body validation error"


def test_deleted_project_lets_go_of_its_media(admin, project):
    video = add_video(admin, project, Scene(admin, project).video_type)
    assert admin.get_media(video).project == project
    admin.delete_project(project)
    refused(404, admin.get_media_list, project)
    refused(404, admin.get_media, video)
    refused(404, admin.update_media, video, media_update={"name": "mine"})


def test_levels_and_layers_of_a_member_change(admin, project, people):
    scene = Scene(admin, project)
    layer = admin.create_version(project, version_spec={"name": "Hers"}).id
    member = admin.create_membership(project, membership_spec={"user": people.editor.id, "permission": "Can Edit"}).id
    admin.update_membership(member, membership_update={"default_version": layer})
    row = admin.get_membership(member)
    assert (row.default_version, row.permission) == (layer, "Can Edit")
    made = people.editor.api.create_localization_list(project, body=box(scene.video, scene.box_type)).id[0]
    assert admin.get_localization(made).version == layer
    for wrong in ({"permission": "No Access"}, {"permission": "Captain"}, {"default_version": 0}):
        refused(400, admin.update_membership, member, membership_update=wrong)
    assert admin.get_membership(member).permission == "Can Edit"


def test_annotations_find_a_layer_where_there_is_none(admin, project):
    """The one with the lowest number, and a new Baseline if all are gone."""
    scene = Scene(admin, project)
    base, = admin.get_version_list(project)
    layers = [admin.create_version(project, version_spec={"name": name}).id for name in ("B", "A")]
    admin.delete_version(base.id)
    one, = scene.add({})
    assert admin.get_localization(one).version == layers[0]
    admin.delete_localization(one, localization_delete={"prune": 1})
    for layer in layers:
        admin.delete_version(layer)
    assert admin.get_version_list(project) == []
    one, = scene.add({})
    row, = admin.get_version_list(project)
    assert (row.id, row.name) == (admin.get_localization(one).version, "Baseline")


def test_numbers_of_layers_go_up(admin, project):
    made = [admin.create_version(project, version_spec={"name": name}).id for name in "ab"]
    admin.delete_version(made[0])
    admin.create_version(project, version_spec={"name": "c"})
    assert [(row.name, row.number) for row in admin.get_version_list(project)] == [("Baseline", 0), ("b", 2), ("c", 3)]
    video = Scene(admin, project).video
    assert len(admin.get_version_list(project, media_id=[video])) == 3  # it says nothing here


def test_a_layer_with_tracks_or_tombstones(admin, project):
    scene = Scene(admin, project)
    layer = admin.create_version(project, version_spec={"name": "Layer"}).id
    kind = add_state_type(admin, project, [scene.video_type], "Media")
    state, = admin.create_state_list(project, body={"type": kind, "media_ids": [scene.video], "version": layer}).id
    one, = scene.add({"version": layer})
    body = refused(400, admin.delete_version, layer)
    assert body["message"] == "Cannot delete version with annotations! Found 1 localizations, 1 states!"
    admin.delete_state(state)
    admin.delete_localization(one)
    admin.delete_version(layer)  # what is hidden does not keep it
    refused(404, admin.get_version, layer)


def test_favorites_of_tracks(admin, members, project):
    scene = Scene(admin, project)
    track = add_state_type(admin, project, [scene.video_type], "Localization")
    mine = members.editor.api
    spec = {"type": track, "name": "t", "values": {}, "entity_type_name": "State", "page": 10}
    row = mine.get_favorite(mine.create_favorite(project, favorite_spec=spec).id)
    assert (row.type, row.entity_type_name, row.page, row.state_type_id, row.localization_type_id) == (track, "State", 10, track, None)
    for wrong in ({"page": 0}, {"page": 11}, {"entity_type_name": "Media"}, {"type": 0}):
        refused(400, mine.create_favorite, project, favorite_spec={**spec, **wrong})
    assert len(mine.get_favorite_list(project)) == 1
    refused(404, members.owner.api.get_favorite, row.id)


def test_edits_that_leave_a_revision_are_not_logged(admin, project):
    scene = Scene(admin, project)
    one, = scene.add({})

    def logged():
        return len(admin.get_change_log_list(project, entity_type="localization"))

    before = logged()
    edited = admin.update_localization(one, localization_update={"x": 0.5}).object["id"]
    assert logged() == before
    admin.update_localization(edited, localization_update={"x": 0.6, "frame": 3, "in_place": 1})
    assert logged() == before + 1
    change = admin.get_change_log_list(project, entity_type="localization", entity_id=edited)[-1].description_of_change
    found = {new["name"]: (old["value"], new["value"]) for old, new in zip(change.old, change.new)}
    assert found["_x"] == (0.5, 0.6) and found["_frame"] == (0, 3)
    assert not {"_y", "_width", "Species", "_elemental_id"} & set(found)


def test_a_log_of_people_and_of_leaves(admin, members, project):
    scene = Scene(admin, project)
    members.editor.api.create_localization_list(project, body=[box(scene.video, scene.box_type)] * 2)
    rows = admin.get_change_log_list(project, user_id=members.editor.id)
    assert rows and {row.user for row in rows} == {members.editor.id}
    kind = add_leaf_type(admin, project)
    leaf, = admin.create_leaf_list(project, body={"name": "Fish", "type": kind}).id
    admin.update_leaf(leaf, leaf_update={"name": "Fishes"})
    rows = admin.get_change_log_list(project, entity_type="leaf", entity_id=leaf)
    assert len(rows) == 2
    change = rows[1].description_of_change
    assert ({"name": "_name", "value": "Fish"} in change.old, {"name": "_name", "value": "Fishes"} in change.new) == (True, True)


def test_what_a_project_holds(admin, members, project):
    """How many media, how long, and who: nobody counts what was deleted."""
    scene = Scene(admin, project)
    for number in range(2):
        add_video(admin, project, scene.video_type, num_frames=250, fps=25.0)
    gone = add_video(admin, project, scene.video_type, num_frames=250, fps=25.0)
    admin.delete_media(gone)
    row = admin.get_project(project)
    assert (row.num_files, row.duration, row.size) == (3, 20, 0)
    names = {person.name for person in (members.viewer, members.editor, members.transferrer, members.executor, members.owner)}
    assert set(row.usernames) == {"admin", *names}
    assert {one.id: one.num_files for one in admin.get_project_list()}[project] == 3
    assert members.viewer.api.get_project(project).permission == "View Only"


def test_a_name_that_is_taken_is_no_new_name(admin, organization, project):
    name = unique("Taken")
    admin.create_project(project_spec={"name": name, "organization": organization})
    refused(400, admin.update_project, project, project_update={"name": name.lower()})
    assert admin.get_project(project).name != name.lower()
    answer = admin.update_project(project, project_update={"name": admin.get_project(project).name.upper()})
    assert answer.message


def test_how_rights_are_decided(admin, organization):
    """By levels of members; the other model is not offered."""
    spec = {"name": unique("Model"), "organization": organization}
    refused(400, admin.create_project, project_spec={**spec, "permission_model": "zerotrust"})
    refused(400, admin.create_project, project_spec={**spec, "permission_model": "anarchy"})
    made = admin.create_project(project_spec={**spec, "permission_model": "legacy"}).id
    assert admin.get_project(made).permission == "Creator"
