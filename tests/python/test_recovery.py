"""Types, attributes and projects that were deleted come back: with ids, values, filters and free text."""

import tator
from station import wait_for
from support import add_box_type, add_boxes, add_media_type, add_video, box, ids, refused, unique
from test_undo import plain, scene, undo  # noqa: F401


def text_ids(api, project, query):
    return sorted(hit.id for hit in api.text_search_in_project(project, text_search_query={"query": query}).hits)


def test_a_deleted_localization_type_comes_back_with_its_boxes(admin, project, scene, undo):
    made = scene.add({"attributes": {"Species": "cod", "Count": 1}}, {"frame": 2, "attributes": {"Species": "eel", "Count": 5}})
    admin.delete_localization(scene.add({"attributes": {"Species": "gone"}})[0])
    of_type = plain(admin.get_localization_type(scene.box_type))
    rows = [plain(row) for row in scene.list()]
    favorite = admin.create_favorite(project, favorite_spec={
        "name": "f", "page": 1, "values": {}, "type": scene.box_type, "entity_type_name": "Localization"}).id
    admin.delete_localization_type(scene.box_type)
    assert admin.get_localization_list(project) == [] and text_ids(admin, project, "eel") == []
    refused(404, admin.get_localization_type, scene.box_type)
    answer = undo(last=1)
    assert plain(admin.get_localization_type(scene.box_type)) == of_type
    assert [plain(row) for row in scene.list()] == rows and ids(scene.list()) == made
    assert scene.found(attribute=["Species::eel"]) == [made[1]] and scene.found(attribute_gte=["Count::1"]) == made
    assert text_ids(admin, project, "eel") == [made[1]]
    assert ids(admin.get_favorite_list(project)) == [favorite]
    answer = undo(answer.entries)
    assert admin.get_localization_list(project) == [] and text_ids(admin, project, "eel") == []
    undo(answer.entries)
    assert scene.found(attribute=["Species::eel"]) == [made[1]]


def test_a_deleted_media_type_comes_back_with_media_boxes_and_tracks(admin, project, scene, undo):
    track, members = scene.track([1, 2])
    of_media = admin.get_media(scene.video).type
    before = [plain(admin.get_media_type(of_media)), plain(admin.get_media(scene.video)), plain(scene.state(track)),
              plain(admin.get_localization_type(scene.box_type))]
    admin.delete_media_type(of_media)
    assert (admin.get_media_list(project), scene.list(), scene.states()) == ([], [], [])
    assert admin.get_localization_type(scene.box_type).media == []
    undo(last=1)
    assert [plain(admin.get_media_type(of_media)), plain(admin.get_media(scene.video)), plain(scene.state(track)),
            plain(admin.get_localization_type(scene.box_type))] == before
    assert ids(scene.list()) == members and scene.states(related_id=[members[0]]) == [track]
    box = members[0]
    admin.update_localization(box, localization_update={"in_place": 1, "attributes": {"Count": 8}})
    assert scene.found(attribute=["Count::8"]) == [box]


def test_a_deleted_attribute_comes_back_with_its_values(admin, project, scene, undo):
    made = scene.add({"attributes": {"Species": "cod", "Count": 1}}, {"frame": 2, "attributes": {"Species": "eel", "Count": 5}})
    of_type = plain(admin.get_localization_type(scene.box_type))
    admin.delete_attribute_type(scene.box_type, attribute_type_delete={"entity_type": "LocalizationType", "name": "Count"})
    assert "Count" not in scene.list()[0].attributes
    admin.update_localization(made[0], localization_update={"in_place": 1, "attributes": {"Species": "ray"}})
    first = admin.get_journal(project, noun="localization_type", newest=True, limit=1)[0].id
    answer = undo([first])
    assert [row.attributes["Count"] for row in scene.list()] == [1, 5] and scene.list()[0].attributes["Species"] == "ray"
    assert scene.found(attribute_gt=["Count::3"]) == [made[1]]
    back = plain(admin.get_localization_type(scene.box_type))
    by_name = lambda row: sorted(row["attribute_types"], key=lambda one: one["name"])
    assert by_name(back) == by_name(of_type)
    answer = undo(answer.entries)
    assert "Count" not in scene.list()[0].attributes
    undo(answer.entries)
    assert scene.found(attribute_gt=["Count::3"]) == [made[1]]


def test_what_was_redone_is_taken_back_again(admin, project, scene, undo):
    """Undo, its undo, and undo of the same change once more: by its own entry, and by the last."""
    made = scene.add({"attributes": {"Species": "cod", "Count": 1}})
    admin.delete_attribute_type(scene.box_type, attribute_type_delete={"entity_type": "LocalizationType", "name": "Count"})
    answer = undo(last=1)
    undo(answer.entries)
    undo(last=1)
    assert scene.list()[0].attributes["Count"] == 1 and scene.found(attribute=["Count::1"]) == made
    admin.delete_localization_type(scene.box_type)
    answer = undo(last=1)
    undo(answer.entries)
    assert admin.get_localization_list(project) == []
    undo(last=1)
    assert ids(scene.list()) == made and scene.found(attribute=["Count::1"]) == made


def test_several_types_at_once(admin, project, scene, undo):
    other = add_box_type(admin, project, [scene.video_type], scene.ATTRIBUTES)
    made = scene.add({"attributes": {"Species": "wolffish"}}) + add_boxes(
        admin, project, [box(scene.video, other, attributes={"Species": "wolffish"})])
    admin.delete_localization_type(scene.box_type)
    admin.delete_localization_type(other)
    assert text_ids(admin, project, "wolffish") == []
    answer = undo(last=2)
    assert text_ids(admin, project, "wolffish") == made == ids(scene.list())
    undo(answer.entries)
    assert text_ids(admin, project, "wolffish") == [] and scene.list() == []


def test_one_attribute_that_went_while_another_came_is_no_rename(admin, project, scene, undo):
    made = scene.add({"attributes": {"Species": "cod"}})[0]
    admin.delete_attribute_type(scene.box_type, attribute_type_delete={"entity_type": "LocalizationType", "name": "Species"})
    admin.create_attribute_type(scene.box_type, attribute_type_spec={"entity_type": "LocalizationType", "addition": {
        "name": "Depth", "dtype": "float", "default": 2.0}})
    answer = undo(last=2)
    assert scene.list()[0].attributes["Species"] == "cod" and "Depth" not in scene.list()[0].attributes
    answer = undo(answer.entries)
    assert scene.list()[0].attributes["Depth"] == 2.0 and "Species" not in scene.list()[0].attributes
    undo(answer.entries)
    assert scene.list()[0].attributes["Species"] == "cod" and scene.found(attribute=["Species::cod"]) == [made]


def test_one_attribute_that_came_and_went_many_times(admin, project, scene, undo):
    before = [one.name for one in admin.get_localization_type(scene.box_type).attribute_types]
    made = scene.add({})[0]
    add = lambda: admin.create_attribute_type(scene.box_type, attribute_type_spec={"entity_type": "LocalizationType", "addition": {
        "name": "Depth", "dtype": "float", "default": 2.0}})
    add()
    admin.update_localization(made, localization_update={"in_place": 1, "attributes": {"Depth": 5.0}})
    admin.delete_attribute_type(scene.box_type, attribute_type_delete={"entity_type": "LocalizationType", "name": "Depth"})
    add()
    answer = undo(last=4)
    assert [one.name for one in admin.get_localization_type(scene.box_type).attribute_types] == before
    assert "Depth" not in admin.get_localization(made).attributes
    # The value that the box had in between is no longer there: forced, the attribute comes back without it.
    assert f"localization {made}: attributes.Depth" in refused(400, undo, answer.entries)["details"]
    undo(answer.entries, force=True)
    assert [one.name for one in admin.get_localization_type(scene.box_type).attribute_types] == [*before, "Depth"]


def test_a_revision_made_meanwhile_gets_the_values_too(admin, project, scene, undo):
    scene.add({"attributes": {"Species": "cod"}})
    admin.delete_attribute_type(scene.box_type, attribute_type_delete={"entity_type": "LocalizationType", "name": "Species"})
    entry = admin.get_journal(project, newest=True, limit=1)[0].id
    admin.update_localization(scene.list()[0].id, localization_update={"x": 0.5})
    undo([entry])
    row, = scene.list()
    assert (row.x, row.attributes["Species"]) == (0.5, "cod") and scene.found(attribute=["Species::cod"]) == [row.id]


def test_boxes_on_media_that_went_stay_away(admin, project, scene, undo):
    kept = scene.add({"attributes": {"Species": "cod"}})
    gone = add_boxes(admin, project, [box(scene.videos[1], scene.box_type)])
    admin.delete_localization_type(scene.box_type)
    entry = admin.get_journal(project, noun="localization_type", newest=True, limit=1)[0].id
    admin.delete_media(scene.videos[1])
    undo([entry])
    assert ids(scene.list()) == kept and gone


def test_other_changes_of_attributes_are_taken_back(admin, project, scene, undo):
    made = scene.add({"attributes": {"Species": "cod", "Count": 3}})[0]
    change = lambda **spec: admin.update_attribute_type(scene.box_type, attribute_type_update={"entity_type": "LocalizationType", **spec})
    names = lambda: [one.name for one in admin.get_localization_type(scene.box_type).attribute_types]
    before = names()
    change(current_name="Species", attribute_type_update={"name": "Taxon", "dtype": "string"})
    assert scene.list()[0].attributes["Taxon"] == "cod"
    undo(last=1)
    assert names() == before and scene.list()[0].attributes["Species"] == "cod" and scene.found(attribute=["Species::cod"]) == [made]

    change(current_name="Count", attribute_type_update={"name": "Count", "dtype": "float", "default": 0.5})
    undo(last=1)
    assert next(one for one in admin.get_localization_type(scene.box_type).attribute_types if one.name == "Count").dtype == "int"

    admin.create_attribute_type(scene.box_type, attribute_type_spec={"entity_type": "LocalizationType", "addition": {
        "name": "Depth", "dtype": "float", "default": 2.0}})
    entry = admin.get_journal(project, newest=True, limit=1)[0].id
    admin.update_localization(made, localization_update={"in_place": 1, "attributes": {"Depth": 40.0}})
    assert "1 localizations have a value of Depth" in refused(400, undo, [entry])["details"]
    answer = undo([entry], force=True)
    assert names() == before and "Depth" not in scene.list()[0].attributes
    undo(answer.entries)
    assert scene.list()[0].attributes["Depth"] == 40.0 and scene.found(attribute_gt=["Depth::30"]) == [made]


def test_a_new_type_goes_only_when_nothing_is_of_it(admin, project, scene, undo):
    admin.create_localization_type(project, localization_type_spec={
        "name": "dot", "dtype": "dot", "media_types": [admin.get_media(scene.video).type]})
    entry = admin.get_journal(project, newest=True, limit=1)[0].id
    dot = next(one.id for one in admin.get_localization_type_list(project) if one.name == "dot")
    admin.update_localization_type(dot, localization_type_update={"name": "point"})
    undo(last=1)
    assert admin.get_localization_type(dot).name == "dot"
    made = admin.create_localization_list(project, body=[{"type": dot, "media_id": scene.video, "frame": 0, "x": .5, "y": .5}]).id
    assert "has 1 localizations" in refused(400, undo, [entry])["details"]
    answer = undo([entry], force=True)
    refused(404, admin.get_localization_type, dot)
    undo(answer.entries)
    assert ids(admin.get_localization_list(project, type=dot)) == made


def test_attributes_of_folders(admin, project, undo):
    admin.create_attribute_type(project, attribute_type_spec={"entity_type": "Section", "addition": {"name": "Area", "dtype": "string"}})
    folder = admin.create_section(project, section_spec={"name": "F", "path": "F", "attributes": {"Area": "north"}}).id
    admin.delete_attribute_type(project, attribute_type_delete={"entity_type": "Section", "name": "Area"})
    assert admin.get_section(folder).attributes.get("Area") is None
    undo(last=1)
    assert admin.get_section(folder).attributes["Area"] == "north"
    assert [one["name"] for one in admin.get_project(project).to_dict()["attribute_types"]] == ["Area"]


def test_a_deleted_project_comes_back_whole(admin, members, project, scene, undo, organization):
    made = scene.add({"attributes": {"Species": "wolffish"}})
    before = plain(admin.get_project(project))
    admin.delete_project(project)
    refused(404, admin.get_project, project)
    refused(404, admin.get_localization, made[0])
    assert project not in ids(admin.get_project_list())
    assert project in ids(admin.get_project_list(deleted=True)) and project not in ids(members.stranger.api.get_project_list(deleted=True))
    refused(404, members.editor.api.undo, project, undo_spec={"last": 1})
    older = admin.get_journal(project, noun="localization", limit=1)[0].id
    assert "only its deletion" in refused(400, members.owner.api.undo, project, undo_spec={"entries": [older]})["message"]
    assert ids(members.editor.api.get_project_list(deleted=True)).count(project) == 0
    refused(404, members.stranger.api.undo, project, undo_spec={"last": 1})
    other = admin.create_project(project_spec={"name": before["name"], "organization": organization}).id
    assert "another name" in refused(400, undo, last=1)["message"]
    admin.update_project(other, project_update={"name": unique("Other")})
    assert undo(last=1).changes == ["delete 1 project"]
    assert plain(admin.get_project(project)) == before and ids(scene.list()) == made
    assert text_ids(admin, project, "wolffish") == made and project not in ids(admin.get_project_list(deleted=True))
    admin.update_project(project, project_update={"summary": "changed"})
    undo(last=1)
    assert admin.get_project(project).summary == before["summary"]


def test_a_pruned_project_is_gone(admin, project, undo):
    admin.delete_project(project, prune=1)
    assert project not in ids(admin.get_project_list(deleted=True))
    refused(404, undo, last=1)


def test_a_deleted_project_can_still_be_pruned(admin, members, project, scene):
    admin.delete_project(project)
    refused(404, members.editor.api.delete_project, project, prune=1)
    refused(404, admin.delete_project, project)
    admin.delete_project(project, prune=1)
    assert project not in ids(admin.get_project_list(deleted=True))


def test_names_matter_only_where_they_change(admin, people, organization, project, undo):
    """A member may see another project of the same name."""
    name = admin.get_project(project).name
    stranger = admin.create_project(project_spec={"name": unique("Other"), "organization": organization}).id
    for one in (project, stranger):
        admin.create_membership(one, membership_spec={"user": people.viewer.id, "permission": "View Only"})
    admin.update_project(project, project_update={"summary": "new"})
    undo(last=1)
    assert admin.get_project(project).summary == "" and admin.get_project(project).name == name


def test_a_project_that_was_made_goes_and_comes_as_a_whole(admin, people, organization):
    project = admin.create_project(project_spec={"name": unique("Dive"), "organization": organization}).id
    entry = admin.get_journal(project, noun="project")[0].id
    admin.create_membership(project, membership_spec={"user": people.owner.id, "permission": "Full Control"})
    refused(403, people.owner.api.undo, project, undo_spec={"entries": [entry]})
    video_type = add_media_type(admin, project)
    video = add_video(admin, project, video_type)
    assert f"project {project} has 1 media" in refused(400, admin.undo, project, undo_spec={"entries": [entry]})["details"]
    admin.delete_media(video)
    answer = admin.undo(project, undo_spec={"entries": [entry]})
    refused(404, admin.get_project, project)
    admin.undo(project, undo_spec={"entries": answer.entries})
    assert len(admin.get_version_list(project)) == 1 and len(admin.get_membership_list(project)) >= 1


def test_what_was_deleted_survives_kill_9_and_goes_when_its_time_is_over(new_station):
    station = new_station()
    api = tator.get_api(station.url, station.admin_token)
    organization = api.create_organization(organization_spec={"name": unique("Institute")}).id
    project = api.create_project(project_spec={"name": unique("Dive"), "organization": organization}).id
    kind = api.create_leaf_type(project, leaf_type_spec={"name": "Taxa", "attribute_types": [{"name": "Rank", "dtype": "string"}]}).id
    leaf = api.create_leaf_list(project, body=[{"name": "Fish", "type": kind, "attributes": {"Rank": "class"}}]).id[0]
    api.delete_attribute_type(kind, attribute_type_delete={"entity_type": "LeafType", "name": "Rank"})
    api.delete_leaf_type(kind)
    api.delete_project(project)
    station.kill()
    station.start()
    api = tator.get_api(station.url, station.admin_token)
    api.undo(project, undo_spec={"last": 3})
    assert api.get_leaf(leaf).attributes["Rank"] == "class"
    assert ids(api.get_leaf_list(project, attribute=["Rank::class"])) == [leaf]
    api.delete_attribute_type(kind, attribute_type_delete={"entity_type": "LeafType", "name": "Rank"})
    api.delete_project(project)
    station.stop()
    station.environment["EXPIRATION_AGE_DAYS"] = "0"
    station.start()
    api = tator.get_api(station.url, station.admin_token)
    wait_for("the project to go for good", lambda: ids(api.get_project_list(deleted=True)) == [])
    refused(404, api.undo, project, undo_spec={"last": 1})


def test_values_whose_time_is_over_do_not_come_back(new_station):
    station = new_station(environment={"EXPIRATION_AGE_DAYS": "0"})
    api = tator.get_api(station.url, station.admin_token)
    organization = api.create_organization(organization_spec={"name": unique("Institute")}).id
    project = api.create_project(project_spec={"name": unique("Dive"), "organization": organization}).id
    kind = api.create_leaf_type(project, leaf_type_spec={"name": "Taxa", "attribute_types": [{"name": "Rank", "dtype": "string"}]}).id
    api.delete_attribute_type(kind, attribute_type_delete={"entity_type": "LeafType", "name": "Rank"})
    assert "its time was over" in refused(400, api.undo, project, undo_spec={"last": 1})["message"]
