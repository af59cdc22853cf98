"""Folders, playlists and saved searches."""

import uuid

import pytest
from support import NOWHERE, Scene, encoded, ids, leaf, refused, unique


@pytest.fixture
def scene(admin, project):
    return Scene(admin, project, videos=4)


def add(api, project, name, **more):
    return api.create_section(project, section_spec={"name": name, **more}).id


def test_a_new_section(admin, project):
    made = add(admin, project, "Leg 1: north (a)")
    row = admin.get_section(made)
    assert (row.name, row.path, row.dtype) == ("Leg 1: north (a)", "Leg_1__north__a_", "folder")
    assert (row.project, row.tator_user_sections, row.created_by) == (project, None, admin.whoami().id)
    assert uuid.UUID(row.elemental_id)


def test_kind_follows_from_what_is_given(admin, project):
    search = leaf("Camera", "eq", "bow")
    kinds = [admin.get_section(add(admin, project, name, **more)).dtype for name, more in (
        ("plain", {}), ("search", {"object_search": search}), ("related", {"related_search": search}),
        ("list", {"explicit_listing": True, "media": []}))]
    assert kinds == ["folder", "saved_search", "saved_search", "playlist"]


def test_paths_are_unique(admin, project):
    add(admin, project, "One", path="A.B")
    assert refused(400, admin.create_section, project, section_spec={"name": "Two", "path": "A.B"})["message"] == (
        "Section with this path already exists!")


def test_list_filters(admin, project):
    made = {path: add(admin, project, path.split(".")[-1], path=path) for path in ("A", "A.B", "A.B.C", "A.D", "Z")}

    def names(**filters):
        return sorted(row.path for row in admin.get_section_list(project, **filters))

    assert [row.name for row in admin.get_section_list(project)] == ["A", "B", "C", "D", "Z"]
    assert names(name="b") == ["A.B"]
    assert names(match="A.*") == ["A", "A.B", "A.B.C", "A.D"]
    assert names(match="A.*{1}") == ["A.B", "A.D"]
    assert names(ancestors="A.B.C") == ["A", "A.B", "A.B.C"]
    assert names(descendants="A.B") == ["A.B", "A.B.C"]
    eid = admin.get_section(made["Z"]).elemental_id
    assert names(elemental_id=eid) == ["Z"]


def test_renaming_a_branch(admin, project):
    for path in ("A", "A.B", "A.B.C", "AB"):
        add(admin, project, path, path=path)
    admin.update_section_list(project, descendants="A.B", section_bulk_update={"path_substitution": {"old": "A.B", "new": "X.Y"}})
    assert sorted(row.path for row in admin.get_section_list(project)) == ["A", "AB", "X.Y", "X.Y.C"]


def test_deleting_matches(admin, project):
    for path in ("A", "A.B", "Z"):
        add(admin, project, path, path=path)
    assert admin.section_list_a_p_i(project, descendants="A").message == "Successfully deleted 2 sections!"
    assert [row.path for row in admin.get_section_list(project)] == ["Z"]


def test_folder(admin, project, scene):
    folder = add(admin, project, "Folder", tator_user_sections=str(uuid.uuid4()))
    admin.update_media(scene.videos[1], media_update={"primary_section": folder})
    assert ids(admin.get_media_list(project, section=folder)) == [scene.videos[1]]
    assert admin.get_media_count(project, section=folder) == 1
    inside = scene.add({"media_id": scene.videos[1]}, {"media_id": scene.videos[0]})[0]
    assert scene.found(section=folder) == [inside]
    admin.delete_section(folder)
    assert admin.get_media(scene.videos[1]).primary_section is None
    refused(404, admin.get_section, folder)


def test_playlist(admin, project, scene):
    a, b, c, _ = scene.videos
    playlist = add(admin, project, "Playlist", explicit_listing=True, media=[a, b])
    assert sorted(admin.get_section(playlist).media) == [a, b]
    admin.update_section(playlist, section_update={"media_add": [c], "media_del": [a]})
    assert sorted(admin.get_section(playlist).media) == [b, c]
    assert ids(admin.get_media_list(project, section=playlist)) == [b, c]
    assert admin.get_media(b).primary_section is None


def test_saved_search(admin, project, scene):
    for video, camera in zip(scene.videos, ("bow", "stern", "bow", "keel")):
        admin.update_media(video, media_update={"attributes": {"Camera": camera}})
    by_media = add(admin, project, "Bow", object_search=leaf("Camera", "eq", "bow"))
    assert ids(admin.get_media_list(project, section=by_media)) == [scene.videos[0], scene.videos[2]]
    scene.add({"media_id": scene.videos[3], "attributes": {"Species": "cod"}})
    by_box = add(admin, project, "Cod", related_search=leaf("Species", "eq", "cod"))
    assert ids(admin.get_media_list(project, section=by_box)) == [scene.videos[3]]
    both = admin.get_media_list(project, multi_section=[by_media, by_box])
    assert ids(both) == [scene.videos[0], scene.videos[2], scene.videos[3]]


def test_multi_section_applies_to_annotations(admin, project, scene):
    folders = [add(admin, project, name) for name in ("One", "Two", "Three")]
    for folder, video in zip(folders, scene.videos):
        admin.update_media(video, media_update={"primary_section": folder})
    made = scene.add(*({"media_id": video} for video in scene.videos))
    assert scene.found(multi_section=folders[:2]) == made[:2]
    assert scene.found(multi_section=folders[2:]) == made[2:3]


def test_unknown_section(admin, project):
    refused(404, admin.get_media_list, project, section=NOWHERE)
    refused(404, admin.get_localization_list, project, section=NOWHERE)


def test_update(admin, project):
    made = add(admin, project, "Before")
    admin.update_section(made, section_update={"name": "After", "path": "New.Place", "visible": False})
    row = admin.get_section(made)
    assert (row.name, row.path, row.visible) == ("After", "New.Place", False)


def test_attributes_are_defined_on_the_project(admin, project):
    admin.create_attribute_type(project, attribute_type_spec={
        "entity_type": "Section", "addition": {"name": "Ship", "dtype": "string", "default": "unknown"}})
    assert [d.name for d in admin.get_project(project).attribute_types] == ["Ship"]
    made = add(admin, project, "Cruise", attributes={"Ship": "Meteor"})
    add(admin, project, "Other")
    assert [row.attributes["Ship"] for row in admin.get_section_list(project)] == ["Meteor", "unknown"]
    assert ids(admin.get_section_list(project, encoded_search=encoded(leaf("Ship", "eq", "Meteor")))) == [made]


def test_searches_are_kept_with_their_defaults(admin, project):
    search = {"method": "and", "operations": [{"attribute": "Camera", "operation": "eq", "value": "bow"},
                                              {"method": "not", "operations": [leaf("$id", "gt", 3, inverse=True)]}]}
    kept = admin.get_section(add(admin, project, "S", object_search=search)).to_dict()["object_search"]
    assert kept == {"method": "and", "operations": [leaf("Camera", "eq", "bow"), search["operations"][1]]}


def test_a_name_becomes_a_path_once(admin, project):
    assert admin.get_section(add(admin, project, "Leg.North pole")).path == "Leg.North_pole"
    assert refused(400, admin.create_section, project, section_spec={"name": "Leg.North-pole"})["message"] == (
        "Section with this path already exists!")
    other = add(admin, project, "Other")
    assert refused(400, admin.update_section, other, section_update={"path": "Leg.North_pole"})["message"] == (
        "Section with this path already exists!")
    for wrong in ("a..b", "a b", ".a", "a.", ""):
        refused(400, admin.update_section, other, section_update={"path": wrong})
    assert admin.get_section(other).path == "Other"


def test_one_changes_into_another_kind(admin, project, scene):
    made = add(admin, project, "S")
    admin.update_section(made, section_update={"object_search": leaf("$name", "eq", "clip 01.mp4"), "dtype": "saved_search"})
    assert ids(admin.get_media_list(project, section=made)) == scene.videos[1:2]
    refused(400, admin.update_section, made, section_update={"dtype": "drawer"})
    refused(400, admin.create_section, project, section_spec={"name": "X", "dtype": "drawer"})
    refused(400, admin.create_section, project, section_spec={"path": "X"})
    playlist = add(admin, project, "P", dtype="playlist", media=scene.videos[:2])
    row = admin.get_section(playlist)
    assert (row.dtype, sorted(row.media)) == ("playlist", scene.videos[:2])
    # Media that go leave their playlists.
    admin.delete_media(scene.videos[0])
    assert admin.get_section(playlist).media == scene.videos[1:2]


def test_media_of_a_playlist_are_the_projects(admin, project, scene, organization):
    other = Scene(admin, admin.create_project(project_spec={"name": unique("Other"), "organization": organization}).id)
    playlist = add(admin, project, "P", explicit_listing=True, media=[])
    refused(400, admin.update_section, playlist, section_update={"media_add": other.videos})
    refused(400, admin.create_section, project, section_spec={"name": "Q", "explicit_listing": True, "media": other.videos})
    assert admin.get_section(playlist).media == []


def test_a_uuid_that_moves(admin, project, scene):
    """What is in a folder is found by the UUID that it has now, and by no other."""
    first, second = str(uuid.uuid4()), str(uuid.uuid4())
    folder = add(admin, project, "F", tator_user_sections=first)
    admin.update_media(scene.video, media_update={"primary_section": folder})
    admin.update_section(folder, section_update={"tator_user_sections": second})
    assert admin.get_section(folder).tator_user_sections == second
    assert ids(admin.get_media_list(project, section=folder)) == [scene.video]

    def tagged(uuid):
        return ids(admin.get_media_list(project, encoded_search=encoded(leaf("tator_user_sections", "eq", uuid))))

    assert tagged(second) == [scene.video]
    refused(404, tagged, first)


def test_values_of_sections(admin, project):
    for definition in ({"name": "Ship", "dtype": "string", "default": "unknown"}, {"name": "Leg", "dtype": "int"}):
        admin.create_attribute_type(project, attribute_type_spec={"entity_type": "Section", "addition": definition})
    made = add(admin, project, "Cruise", attributes={"Leg": "3"})
    assert admin.get_section(made).attributes == {"Ship": "unknown", "Leg": 3}
    admin.update_section(made, section_update={"attributes": {"Ship": "Sonne"}})
    assert admin.get_section(made).attributes == {"Ship": "Sonne", "Leg": 3}
    refused(400, admin.update_section, made, section_update={"attributes": {"Leg": "third"}})
    refused(400, admin.update_section, made, section_update={"attributes": {"Nonsense": 1}})
    other = add(admin, project, "Second", attributes={"Leg": 4})
    assert ids(admin.get_section_list(project, encoded_search=encoded(leaf("Leg", "gt", 3)))) == [other]


def test_renaming_and_deleting_need_no_match(admin, project):
    made = add(admin, project, "A", path="A.B")
    message = admin.update_section_list(project, match="Z.*", section_bulk_update={"path_substitution": {"old": "Z", "new": "Y"}}).message
    assert message == "Successfully updated 0 sections!"
    assert admin.section_list_a_p_i(project, name="Z").message == "Successfully deleted 0 sections!"
    refused(400, admin.update_section_list, project, section_bulk_update={"path_substitution": {"old": "A"}})
    assert admin.get_section(made).path == "A.B"


@pytest.mark.parametrize("pattern, paths", [
    ("A", ["A"]), ("*", ["A", "A.B", "A.B.C", "A.D", "Z", "Z.B", "a.x"]), ("*.B", ["A.B", "Z.B"]), ("A.B|D", ["A.B", "A.D"]),
    ("*{1}", ["A", "Z"]), ("A.*{1,2}", ["A.B", "A.B.C", "A.D"]), ("A.*{,1}", ["A", "A.B", "A.D"]), ("A.*.C", ["A.B.C"]),
    ("*.!B", ["A", "A.B.C", "A.D", "Z", "a.x"]), ("a@.*", ["A", "A.B", "A.B.C", "A.D", "a.x"]), ("Nothing.*", [])])
def test_patterns_of_paths(admin, project, pattern, paths):
    for path in ("A", "A.B", "A.B.C", "A.D", "Z", "Z.B", "a.x"):
        add(admin, project, path, path=path)
    assert sorted(row.path for row in admin.get_section_list(project, match=pattern)) == paths


def test_what_is_no_pattern(admin, project):
    made = add(admin, project, "A", path="A")
    for wrong in ("%", "A..B", "*B", "A.*{2"):
        refused(400, admin.get_section_list, project, match=wrong)
        refused(400, admin.section_list_a_p_i, project, match=wrong)
    assert ids(admin.get_section_list(project)) == [made]
    assert admin.get_section_list(project, ancestors="Nothing") == admin.get_section_list(project, descendants="a") == []
