"""Bulk changes and deletions: many rows at once, and what each row, track and log looks like afterwards."""

import pytest
from support import Scene, add_leaf_type, add_state_type, add_video, ids, refused, unique

MANY = 22_000


def states_of(scene, kind, *members):
    return scene.api.create_state_list(scene.project, body=[
        {"type": kind, "media_ids": [scene.video], "frame": 0, "localization_ids": list(one)} for one in members]).id


@pytest.fixture()
def scene(admin, project):
    scene = Scene(admin, project)
    scene.made = scene.add(*({"frame": n, "attributes": {"Count": n, "Species": "cod"}} for n in range(4)))
    return scene


def counts(rows):
    return [row.attributes["Count"] for row in rows]


def test_a_change_makes_revisions_that_tracks_follow(admin, scene):
    track = states_of(scene, add_state_type(admin, scene.project, [scene.video_type], "Localization"), scene.made[:3])[0]
    message = admin.update_localization_list(scene.project, attribute_lt=["Count::3"],
                                             localization_bulk_update={"attributes": {"Count": 9}}).message
    assert message == "Successfully updated 3 localizations!"
    rows = scene.list()
    new = [row.id for row in rows if row.mark == 1]
    assert counts(rows) == [3, 9, 9, 9] and len(new) == 3 and not set(new) & set(scene.made)
    assert admin.get_state(track).localizations == new
    every = scene.list(show_all_marks=1)
    assert counts(every) == [0, 1, 2, 3, 9, 9, 9]
    assert [row.elemental_id for row in every[:3]] == [row.elemental_id for row in every[4:]]
    assert scene.found(attribute=["Count::9"]) == new and scene.found(attribute=["Count::1"]) == []
    # Once more: the next mark.
    admin.update_localization_list(scene.project, attribute=["Count::9"], localization_bulk_update={"attributes": {"Count": 8}})
    assert sorted(row.mark for row in scene.list()) == [0, 2, 2, 2]


def test_a_change_in_place_keeps_ids_and_marks(admin, scene):
    admin.update_localization_list(scene.project, localization_bulk_update={
        "ids": scene.made[1:], "attributes": {"Species": "eel"}, "null_attributes": ["Count"], "in_place": 1})
    rows = scene.list()
    assert ids(rows) == scene.made and [row.mark for row in rows] == [0] * 4
    assert [(row.attributes["Species"], row.attributes["Count"]) for row in rows] == [("cod", 0)] + [("eel", None)] * 3
    assert scene.found(attribute=["Species::eel"]) == scene.made[1:]
    assert scene.found(attribute_null=["Count::true"], type=scene.box_type) == scene.made[1:]


def test_nothing_changes_when_one_row_does_not_fit(admin, scene):
    refused(400, admin.update_localization_list, scene.project, localization_bulk_update={"attributes": {"Count": "many"}})
    refused(400, admin.update_localization_list, scene.project, count=3, localization_bulk_update={"attributes": {"Count": 1}})
    assert counts(scene.list()) == [0, 1, 2, 3]


def test_rows_copied_into_another_version(admin, scene):
    version = admin.create_version(scene.project, version_spec={"name": unique("Copy"), "description": ""}).id
    admin.update_localization_list(scene.project, localization_bulk_update={"ids": scene.made[:2], "new_version": version})
    assert ids(scene.list(version=[admin.get_localization(scene.made[0]).version])) == scene.made
    copies = scene.list(version=[version])
    assert counts(copies) == [0, 1] and [row.mark for row in copies] == [0, 0]


def test_rows_of_one_identity_follow_one_another(admin, scene):
    eid = admin.get_localization(scene.made[0]).elemental_id
    admin.update_localization_list(scene.project, localization_bulk_update={"ids": scene.made[1:3], "new_elemental_id": eid})
    every = [row for row in scene.list(show_all_marks=1) if row.elemental_id == eid]
    assert [row.mark for row in every] == [0, 1, 2]
    version = every[0].version
    assert admin.get_localization_by_elemental_id(version, eid).id == every[2].id
    assert [row.id for row in scene.list() if row.elemental_id == eid] == [every[2].id]


def test_deleting_leaves_tombstones_and_pruning_leaves_nothing(admin, scene):
    track = states_of(scene, add_state_type(admin, scene.project, [scene.video_type], "Localization"), scene.made)[0]
    message = admin.delete_localization_list(scene.project, localization_bulk_delete={"ids": scene.made[:2]}).message
    assert message == "Successfully deleted 2 localizations!"
    assert scene.found() == scene.made[2:]
    tombstones = [row for row in scene.list(show_deleted=1) if row.variant_deleted]
    assert [row.mark for row in tombstones] == [1, 1]
    assert admin.get_state(track).localizations == scene.made[2:]
    admin.update_localization_list(scene.project, localization_bulk_update={"ids": scene.made[2:3], "attributes": {"Count": 7}, "in_place": 0,
                                                                           "new_version": admin.get_localization(scene.made[2]).version})
    newest = scene.found(attribute=["Count::7"])
    admin.delete_localization_list(scene.project, localization_bulk_delete={"ids": newest, "prune": 1})
    assert scene.found() == scene.made[2:], "the mark before it is the latest again"
    assert scene.found(attribute=["Count::2"]) == scene.made[2:3]


def test_states_take_the_members_that_are_theirs_alone(admin, scene):
    kind = add_state_type(admin, scene.project, [scene.video_type], "Localization", delete_child_localizations=True)
    a, b, c, d = scene.made
    first, second, third = states_of(scene, kind, [a, b], [b, c], [c, d])
    assert admin.delete_state_list(scene.project, state_bulk_delete={"ids": [first, second]}).message == "Successfully deleted 2 states!"
    assert scene.found() == [c, d], "c belongs to the third as well"
    assert ids(admin.get_state_list(scene.project)) == [third]


def test_the_log_names_every_change(admin, scene):
    admin.update_localization_list(scene.project, localization_bulk_update={"ids": scene.made, "attributes": {"Count": 5}, "in_place": 1})
    for one in scene.made:
        created, changed = admin.get_change_log_list(scene.project, entity_type="localization", entity_id=one)
        assert {"name": "Count", "value": 5} not in created.description_of_change["new"]
        assert {"name": "Count", "value": 5} in changed.description_of_change["new"]


def test_media_and_leaves(admin, scene):
    more = [add_video(admin, scene.project, scene.video_type) for _ in range(3)]
    admin.update_media_list(scene.project, media_bulk_update={"ids": more, "attributes": {"Camera": "bow"}})
    assert sorted(ids(admin.get_media_list(scene.project, attribute=["Camera::bow"]))) == sorted(more)
    folder = admin.create_section(scene.project, section_spec={"name": unique("Folder"), "tator_user_sections": unique("u")}).id
    admin.update_media_list(scene.project, media_bulk_update={"ids": more[:2], "primary_section": folder})
    assert sorted(ids(admin.get_media_list(scene.project, section=folder))) == sorted(more[:2])
    admin.delete_media_list(scene.project, media_id_query={"ids": [*more, scene.video]})
    assert admin.get_media_list(scene.project) == [] and scene.found() == []
    kind = add_leaf_type(admin, scene.project, [{"name": "Rank", "dtype": "string"}])
    leaves = admin.create_leaf_list(scene.project, body=[{"name": f"n{n}", "type": kind, "attributes": {}} for n in range(3)]).id
    admin.update_leaf_list(scene.project, leaf_bulk_update={"attributes": {"Rank": "genus"}})
    assert ids(admin.get_leaf_list(scene.project, attribute=["Rank::genus"])) == leaves
    admin.delete_leaf_list(scene.project, leaf_id_query={"ids": leaves[1:]})
    assert ids(admin.get_leaf_list(scene.project)) == leaves[:1]


def test_many_rows_at_once(admin, project):
    scene = Scene(admin, project)
    for at in range(0, MANY, 500):
        scene.add(*({"frame": n, "attributes": {"Count": n % 10}} for n in range(at, at + 500)))
    change = {"attributes": {"Count": 77}}
    assert admin.update_localization_list(project, localization_bulk_update=change).message == f"Successfully updated {MANY} localizations!"
    assert admin.get_localization_count(project, attribute=["Count::77"]) == MANY
    assert admin.get_localization_count(project, show_all_marks=1) == 2 * MANY
    assert admin.delete_localization_list(project).message == f"Successfully deleted {MANY} localizations!"
    assert admin.get_localization_count(project) == 0


def test_an_empty_list_is_not_everything(station, admin, scene):
    """What a script computed as empty must not change or delete all that there is."""
    project = scene.project
    track = states_of(scene, add_state_type(admin, project, [scene.video_type], "Media"), [])[0]
    for call, more in ((admin.delete_localization_list, {}), (admin.update_localization_list, {"localization_bulk_update": {"attributes": {"Count": 7}}}),
                       (admin.delete_state_list, {}), (admin.delete_media_list, {}), (admin.update_media_list, {"media_bulk_update": {}})):
        body = refused(400, call, project, media_id=[], **more)
        assert body["message"] == "Query parameter error: media_id" and "leave media_id out" in body["details"]
    refused(400, admin.delete_localization_list, project, version=[], attribute=["Count::1"])
    assert counts(scene.list()) == [0, 1, 2, 3] and ids(admin.get_state_list(project)) == [track]
    assert len(admin.get_media_list(project)) == 1
    # To readers an empty list says nothing, as ever.
    assert scene.found(media_id=[]) == scene.made
    assert admin.delete_localization_list(project, media_id=[scene.video]).message == "Successfully deleted 4 localizations!"


def test_ids_of_media_in_query_and_body_are_united(admin, project):
    scene = Scene(admin, project, videos=3)
    one, two, three = scene.add(*({"media_id": video} for video in scene.videos))
    asked = {"media_ids": scene.videos[1:2]}
    assert ids(admin.get_localization_list_by_id(project, localization_id_query=asked, media_id=scene.videos[:1])) == [one, two]
    assert admin.get_localization_count_by_id(project, localization_id_query=asked, media_id=scene.videos[:1]) == 2
    kind = add_state_type(admin, project, [scene.video_type], "Media")
    states = admin.create_state_list(project, body=[{"type": kind, "media_ids": [video]} for video in scene.videos]).id
    assert ids(admin.get_state_list_by_id(project, state_id_query=asked, media_id=scene.videos[:1])) == states[:2]
    # An empty list of ids is no filter.
    for asked in ({"ids": []}, {}):
        assert ids(admin.get_state_list_by_id(project, state_id_query=asked)) == states
        assert admin.get_state_count_by_id(project, state_id_query=asked) == 3
        assert ids(admin.get_localization_list_by_id(project, localization_id_query=asked)) == [one, two, three]
    # The same bodies select what is changed.
    changed = {"attributes": {"Count": 5}, "media_ids": scene.videos[1:2]}
    message = admin.update_localization_list(project, localization_bulk_update=changed, media_id=scene.videos[:1]).message
    assert message == "Successfully updated 2 localizations!"


def test_a_mistyped_parameter_changes_nothing(station, scene, project):
    """A filter that nobody knows would select everything."""
    for method, more in (("DELETE", {}), ("PATCH", {"json": {"attributes": {"Species": "eel"}}})):
        answer = station.http(method, f"/rest/Localizations/{project}?attribut=Species::cod", station.admin_token, **more)
        assert answer.status_code == 400 and "attribut" in answer.json()["message"], answer.text
        assert "nothing was changed" in answer.text
    assert scene.found() == scene.made and scene.found(attribute=["Species::eel"]) == []
    # Readers may ask what they like.
    assert station.http("GET", f"/rest/Localizations/{project}?attribut=Species::cod", station.admin_token).status_code == 200
    # What older servers knew selects nothing, and is nobody's mistake.
    deleted = station.http("DELETE", f"/rest/Localizations/{project}?force_es=1&attribute=Species::cod", station.admin_token)
    assert deleted.status_code == 200 and len(scene.found()) < len(scene.made)
