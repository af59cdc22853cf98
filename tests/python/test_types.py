"""Types, their attribute definitions, and what editing a definition does to existing data."""

import pytest
from support import NOWHERE, Scene, add_box_type, add_leaf_type, add_media_type, add_state_type, box, ids, refused, unique


def definition(api, box_type, name):
    return next((d for d in api.get_localization_type(box_type).attribute_types if d["name"] == name), None)


def add_attribute(api, type_id, addition, entity="LocalizationType"):
    return api.create_attribute_type(type_id, attribute_type_spec={"entity_type": entity, "addition": addition})


def change_attribute(api, type_id, name, update, entity="LocalizationType"):
    return api.update_attribute_type(type_id, attribute_type_update={
        "entity_type": entity, "current_name": name, "attribute_type_update": update})


@pytest.fixture
def scene(admin, project):
    return Scene(admin, project)


def test_media_type(admin, project):
    spec = {"name": "ROV", "dtype": "video", "description": "d", "file_format": "mp4", "default_volume": 30}
    made = admin.create_media_type(project, media_type_spec=spec).id
    row = admin.get_media_type(made)
    assert {**spec} == {key: row[key] for key in spec}
    assert (row.project, row.visible, row.archive_config, row.streaming_config, row.attribute_types) == (project, True, None, None, [])
    admin.update_media_type(made, media_type_update={"name": "AUV", "default_volume": 0, "visible": False})
    row = admin.get_media_type(made)
    assert (row.name, row.dtype, row.default_volume, row.visible) == ("AUV", "video", 0, False)
    refused(400, admin.create_media_type, project, media_type_spec={"name": "X", "dtype": "hologram"})
    refused(400, admin.create_media_type, project, media_type_spec={"name": "X", "dtype": "video", "default_volume": 101})
    refused(400, admin.create_media_type, project, media_type_spec={"name": "filename", "dtype": "video"})


def test_types_are_listed_by_name(admin, project):
    for name in ("c", "a", "b"):
        admin.create_media_type(project, media_type_spec={"name": name, "dtype": "image"})
    assert [row.name for row in admin.get_media_type_list(project)] == ["a", "b", "c"]


def test_localization_type(admin, project):
    video, image = add_media_type(admin, project), add_media_type(admin, project, "image")
    made = add_box_type(admin, project, [video], color_map={"default": "#ff0000"})
    row = admin.get_localization_type(made)
    assert (row.dtype, row.media, row.line_width, row.visible, row.drawable, row.grouping_default) == (
        "box", [video], 3, True, True, True)
    assert row.color_map == {"default": "#ff0000"}
    both = add_box_type(admin, project, [video, image], dtype="dot")
    assert set(ids(admin.get_localization_type_list(project))) == {made, both}
    refused(404, admin.create_localization_type, project, localization_type_spec={
        "name": "X", "dtype": "box", "media_types": [NOWHERE]})
    refused(400, admin.create_localization_type, project, localization_type_spec={"name": "X", "dtype": "box", "media_types": []})
    admin.update_localization_type(made, localization_type_update={"line_width": 5, "drawable": False})
    row = admin.get_localization_type(made)
    assert (row.line_width, row.drawable, row.dtype) == (5, False, "box")


def test_types_for_a_media(admin, project, scene):
    image = add_media_type(admin, project, "image")
    add_box_type(admin, project, [image])
    assert ids(admin.get_localization_type_list(project, media_id=[scene.video])) == [scene.box_type]
    assert ids(admin.get_localization_type_list(project, type=scene.box_type)) == [scene.box_type]


def test_state_type(admin, project):
    video = add_media_type(admin, project)
    made = add_state_type(admin, project, [video], "Localization", delete_child_localizations=True)
    row = admin.get_state_type(made)
    assert (row.dtype, row.association, row.interpolation, row.delete_child_localizations, row.media) == (
        "state", "Localization", "latest", True, [video])
    admin.update_state_type(made, state_type_update={"name": "Track", "delete_child_localizations": False})
    row = admin.get_state_type(made)
    assert (row.name, row.association, row.delete_child_localizations) == ("Track", "Localization", False)


def test_leaf_and_file_types(admin, project):
    leaf_type = add_leaf_type(admin, project)
    assert (admin.get_leaf_type(leaf_type).dtype, ids(admin.get_leaf_type_list(project))) == ("leaf", [leaf_type])
    admin.update_leaf_type(leaf_type, leaf_type_update={"description": "taxa"})
    assert admin.get_leaf_type(leaf_type).description == "taxa"
    file_type = admin.create_file_type(project, file_type_spec={"name": "Report"}).id
    admin.update_file_type(file_type, file_type_update={"name": "Paper"})
    assert admin.get_file_type(file_type).name == "Paper"
    admin.delete_file_type(file_type)
    refused(404, admin.get_file_type, file_type)


def test_deleting_a_type_takes_its_instances(admin, project, scene):
    scene.add({}, {}, {})
    kept_type = add_box_type(admin, project, [scene.video_type])
    kept = admin.create_localization_list(project, body=box(scene.video, kept_type)).id[0]
    message = admin.delete_localization_type(scene.box_type).message
    assert str(scene.box_type) in message and "(and 3 instances) deleted successfully!" in message
    assert scene.found() == [kept]
    refused(404, admin.get_localization_type, scene.box_type)


def test_deleting_a_leaf_type_says_how_many(admin, project):
    leaf_type = add_leaf_type(admin, project)
    admin.create_leaf_list(project, body=[{"name": f"l{n}", "type": leaf_type} for n in range(4)])
    message = admin.delete_leaf_type(leaf_type).message
    assert str(leaf_type) in message and "4" in message.replace(str(leaf_type), "")
    assert admin.get_leaf_count(project) == 0


def test_adding_an_attribute_fills_in_its_default(admin, project, scene):
    old, = scene.add({})
    message = add_attribute(admin, scene.box_type, {"name": "Depth", "dtype": "float", "default": 7.5}).message
    assert message == "New attribute type 'Depth' added"
    assert admin.get_localization(old).attributes["Depth"] == 7.5
    new, other = scene.add({}, {"attributes": {"Depth": 2}})
    assert admin.get_localization(new).attributes["Depth"] == 7.5
    assert scene.found(attribute=["Depth::7.5"]) == [old, new]
    assert scene.found(attribute_lt=["Depth::7"]) == [other]
    add_attribute(admin, scene.box_type, {"name": "Empty", "dtype": "string"})
    assert "Empty" not in admin.get_localization(old).attributes
    assert definition(admin, scene.box_type, "Depth") == {
        "name": "Depth", "dtype": "float", "default": 7.5, "order": 0, "required": False, "description": ""}


@pytest.mark.parametrize("addition, words", [
    ({"name": "Bad", "dtype": "enum"}, ["enum attribute type definition missing 'choices' field"]),
    ({"name": "Bad", "dtype": "float_array"}, ["float_array attribute type definition missing 'size' field"]),
    ({"name": "$bad", "dtype": "int"}, ["Attribute type name can not start with '$' character"]),
    ({"name": "Species", "dtype": "int"}, ["is already an attribute."]),
    ({"name": "Bad", "dtype": "complex"}, ["Input should be", "literal_error"]),
    ({"name": "semi?colon", "dtype": "int"}, []),
])
def test_bad_additions(admin, scene, addition, words):
    before = admin.get_localization_type(scene.box_type).attribute_types
    body = refused(400, add_attribute, admin, scene.box_type, addition)
    for word in words:
        assert word in body["message"] + body["details"]
    assert admin.get_localization_type(scene.box_type).attribute_types == before


def test_renaming_moves_the_values(admin, scene):
    one, = scene.add({"attributes": {"Species": "cod"}})
    change_attribute(admin, scene.box_type, "Species", {"name": "Taxon"})
    assert admin.get_localization(one).attributes["Taxon"] == "cod"
    assert "Species" not in admin.get_localization(one).attributes
    assert scene.found(attribute=["Taxon::cod"]) == [one]
    assert definition(admin, scene.box_type, "Species") is None


def test_a_rename_must_find_its_attribute_and_a_free_name(admin, scene):
    body = refused(400, change_attribute, admin, scene.box_type, "Nothing", {"name": "Something"})
    assert "Could not find attribute name" in body["message"] + body["details"]
    refused(400, change_attribute, admin, scene.box_type, "Species", {"name": "Count"})
    assert definition(admin, scene.box_type, "Species")


@pytest.mark.parametrize("name, update", [
    ("Count", {"dtype": "float"}), ("Length", {"dtype": "int"}), ("Stage", {"dtype": "string"}),
    ("Species", {"dtype": "enum", "choices": ["cod", "eel"]}),
])
def test_allowed_mutations(admin, scene, name, update):
    one, = scene.add({"attributes": {"Count": 3, "Length": 2.5, "Stage": "egg", "Species": "cod"}})
    before = admin.get_localization(one).attributes
    change_attribute(admin, scene.box_type, name, {"name": name, **update})
    assert definition(admin, scene.box_type, name)["dtype"] == update["dtype"]
    assert admin.get_localization(one).attributes == before


def test_a_mutated_number_still_compares_as_a_number(admin, scene):
    small, large = scene.add({"attributes": {"Count": 9}}, {"attributes": {"Count": 10}})
    change_attribute(admin, scene.box_type, "Count", {"name": "Count", "dtype": "float"})
    assert scene.found(attribute_gt=["Count::9.5"]) == [large]
    assert scene.found(attribute_lte=["Count::9"]) == [small]


@pytest.mark.parametrize("name, dtype", [
    ("Count", "string"), ("Length", "bool"), ("Certain", "int"), ("Seen", "string"), ("Where", "string"), ("Stage", "int")])
def test_forbidden_mutations_change_nothing(admin, scene, name, dtype):
    one, = scene.add({"attributes": {"Count": 3}})
    before = admin.get_localization_type(scene.box_type).attribute_types
    was = definition(admin, scene.box_type, name)["dtype"]
    body = refused(400, change_attribute, admin, scene.box_type, name, {"name": "Renamed", "dtype": dtype})
    assert f"from {was} to {dtype} is not allowed!" in body["message"] + body["details"]
    assert admin.get_localization_type(scene.box_type).attribute_types == before
    assert admin.get_localization(one).attributes["Count"] == 3


def test_patch_merges_and_put_replaces(admin, scene):
    change_attribute(admin, scene.box_type, "Count", {"name": "Count", "dtype": "int", "description": "how many"})
    merged = definition(admin, scene.box_type, "Count")
    assert (merged["minimum"], merged["maximum"], merged["description"]) == (0.0, 10000.0, "how many")
    admin.replace_attribute_type(scene.box_type, attribute_type_update={
        "entity_type": "LocalizationType", "current_name": "Count", "attribute_type_update": {"name": "Count", "dtype": "int"}})
    replaced = definition(admin, scene.box_type, "Count")
    assert "minimum" not in replaced and replaced.get("description", "") == ""


def test_deleting_an_attribute_takes_its_values(admin, scene):
    one, = scene.add({"attributes": {"Species": "cod", "Count": 1}})
    message = admin.delete_attribute_type(scene.box_type, attribute_type_delete={
        "entity_type": "LocalizationType", "name": "Species"}).message
    assert message == "Attribute 'Species' deleted"
    assert admin.get_localization(one).attributes == {"Count": 1}
    refused(400, admin.delete_attribute_type, scene.box_type, attribute_type_delete={
        "entity_type": "LocalizationType", "name": "Species"})
    add_attribute(admin, scene.box_type, {"name": "Species", "dtype": "int"})
    assert scene.found(attribute_null=["Species::true"]) == [one]


@pytest.mark.parametrize("entity, make, read", [
    ("MediaType", lambda a, p: add_media_type(a, p), "get_media_type"),
    ("StateType", lambda a, p: add_state_type(a, p, [add_media_type(a, p)], "Frame"), "get_state_type"),
    ("LeafType", lambda a, p: add_leaf_type(a, p), "get_leaf_type"),
    ("FileType", lambda a, p: a.create_file_type(p, file_type_spec={"name": unique("f")}).id, "get_file_type"),
])
def test_every_entity_takes_attributes(admin, project, entity, make, read):
    type_id = make(admin, project)
    add_attribute(admin, type_id, {"name": "One", "dtype": "int"}, entity)
    change_attribute(admin, type_id, "One", {"name": "Two"}, entity)
    assert [d["name"] for d in getattr(admin, read)(type_id).attribute_types] == ["Two"]
    admin.delete_attribute_type(type_id, attribute_type_delete={"entity_type": entity, "name": "Two"})
    assert getattr(admin, read)(type_id).attribute_types == []


def test_an_explicit_null_leaves_a_value_as_it_is(admin, project, scene):
    admin.update_localization_type(scene.box_type, localization_type_update={"visible": False, "drawable": False})
    admin.update_localization_type(scene.box_type, localization_type_update={"visible": None, "description": "Fish"})
    row = admin.get_localization_type(scene.box_type)
    assert (row.visible, row.drawable, row.description) == (False, False, "Fish")


def test_deleting_types_says_what_goes(admin, project, scene):
    """The id of the type and how many of its instances go along."""
    file_type = admin.create_file_type(project, file_type_spec={"name": "Report"}).id
    files = [admin.create_file(project, file_spec={"name": "n", "type": file_type}).id for _ in range(2)]
    message = admin.delete_file_type(file_type).message
    assert str(file_type) in message and message.endswith("(and 2 instances) deleted successfully!")
    refused(404, admin.get_file, files[0])
    events = add_state_type(admin, project, [scene.video_type], "Frame")
    admin.create_state_list(project, body=[{"type": events, "media_ids": [scene.video], "frame": n} for n in range(3)])
    message = admin.delete_state_type(events).message
    assert str(events) in message and message.endswith("(and 3 instances) deleted successfully!")
    assert admin.get_state_count(project) == 0
    one, = scene.add({})
    message = admin.delete_media_type(scene.video_type).message
    assert str(scene.video_type) in message and "(and 1 instances) deleted successfully!" in message
    refused(404, admin.get_media, scene.video)
    refused(404, admin.get_localization, one)


def test_more_media_types_join(admin, project, scene):
    image, other = add_media_type(admin, project, "image"), add_media_type(admin, project)
    admin.update_localization_type(scene.box_type, localization_type_update={"media_types": [image]})
    assert sorted(admin.get_localization_type(scene.box_type).media) == sorted([scene.video_type, image])
    events = add_state_type(admin, project, [scene.video_type], "Frame")
    admin.update_state_type(events, state_type_update={"media_types": [image, other]})
    assert sorted(admin.get_state_type(events).media) == sorted([scene.video_type, image, other])
    picture = admin.create_media_list(project, body={"type": image, "name": "i.png", "md5": ""}).id
    assert ids(admin.get_state_type_list(project, media_id=[scene.video, picture])) == [events]
    assert ids(admin.get_localization_type_list(project, media_id=[scene.video, picture])) == [scene.box_type]
    only_images = add_box_type(admin, project, [image])
    assert set(ids(admin.get_localization_type_list(project, media_id=[picture]))) == {scene.box_type, only_images}
    eid = admin.get_localization_type(only_images).elemental_id
    assert ids(admin.get_localization_type_list(project, elemental_id=eid)) == [only_images]


def test_settings_of_media_types(admin, project):
    spec = {"name": "ROV", "dtype": "video", "overlay_config": {"mode": "rational", "source": 3},
            "streaming_config": [{"resolution": 144}, {"resolution": 480, "vcodec": "av1", "crf": 63, "preset": "8"}],
            "archive_config": [{"name": "a", "encode": {"vcodec": "hevc", "tune": "film"}}]}
    made = admin.create_media_type(project, media_type_spec=spec).id
    row = admin.get_media_type(made)
    assert row.overlay_config == spec["overlay_config"] and row.default_volume == 0
    assert [one.resolution for one in row.streaming_config] == [144, 480]
    first, second = row.streaming_config
    assert (first.vcodec, first.crf, first.preset, first.pixel_format) == ("h264", 23, "", "yuv420p")
    assert (second.vcodec, second.crf, second.preset) == ("av1", 63, "8")
    encode = row.archive_config[0].encode
    assert (encode.vcodec, encode.tune, encode.crf, encode.preset, encode.pixel_format) == ("hevc", "film", 23, "fast", "yuv420p")
    for wrong in ({"streaming_config": [{"resolution": 8193}]}, {"streaming_config": [{"resolution": 1, "crf": 64}]},
                  {"streaming_config": [{"resolution": 1, "vcodec": "vp9"}]}, {"archive_config": [{"name": "a"}]},
                  {"archive_config": [{"encode": {"crf": 52}}]}, {"archive_config": [{"encode": {"preset": "hasty"}}]},
                  {"default_volume": -1}, {"dtype": None}):
        refused(400, admin.create_media_type, project, media_type_spec={**spec, **wrong})
    boxes = add_box_type(admin, project, [made])
    admin.update_media_type(made, media_type_update={"default_box": boxes, "dtype": "image"})
    row = admin.get_media_type(made)
    assert (row.default_box, row.default_line, row.dtype) == (boxes, None, "video")  # what it is of stays


def test_colors(admin, project, scene):
    colors = {"default": [255, 0, 0], "default_fill": {"color": "#00ff00", "style": "blur"}, "key": "Species",
              "map": {"cod": [1, 2, 3, 255]}, "fill_map": {"cod": {"color": [0, 0, 0], "style": "gray"}},
              "alpha_ranges": {"Length": [0.0, 1.0, 0.5]}, "version": {"3": "#0000ff"}}
    admin.update_localization_type(scene.box_type, localization_type_update={"color_map": colors})
    assert admin.get_localization_type(scene.box_type).to_dict()["color_map"] == colors
    for wrong in ({"default": [256, 0, 0]}, {"default": [0, 0]}, {"default": "#00ff00ff"}, {"default_fill": {"style": "striped"}},
                  {"map": {"cod": [-1, 0, 0]}}):
        refused(400, admin.update_localization_type, scene.box_type, localization_type_update={"color_map": wrong})
    refused(400, admin.update_localization_type, scene.box_type, localization_type_update={"line_width": 0})
    assert admin.get_localization_type(scene.box_type).to_dict()["color_map"] == colors


def test_what_a_state_type_stays(admin, project, scene):
    made = add_state_type(admin, project, [scene.video_type], "Frame", interpolation="attr_style_range",
                          default_localization=scene.box_type)
    admin.update_state_type(made, state_type_update={"association": "Media", "interpolation": "none", "grouping_default": False})
    row = admin.get_state_type(made)
    assert (row.association, row.interpolation, row.grouping_default) == ("Frame", "attr_style_range", False)
    assert row.default_localization == scene.box_type
    for wrong in ({"interpolation": "cubic"}, {"association": "Project"}, {"media_types": []}):
        refused(400, add_state_type, admin, project, **{"media_types": [scene.video_type], "association": "Frame", **wrong})
    refused(404, add_state_type, admin, project, [NOWHERE], "Frame")


def test_definitions_are_kept_as_they_were_given(admin, project, scene):
    """With the defaults of the schema at every depth, and keys that nobody knows."""
    given = {"name": "Taxon", "dtype": "string", "labels": ["a"], "style": "long_string", "visible": False, "mine": {"a": [1]},
             "autocomplete": {"serviceUrl": "/rest/Leaves/Suggestion/x"}}
    add_attribute(admin, scene.box_type, given)
    kept = definition(admin, scene.box_type, "Taxon").to_dict()
    assert kept == {**given, "order": 0, "required": False, "description": "",
                    "autocomplete": {"serviceUrl": "/rest/Leaves/Suggestion/x", "match_any": False, "mode": "tator"}}
    # A new type is not as strict about names as an addition is.
    kind = add_box_type(admin, project, [scene.video_type], [{"name": "what?", "dtype": "int", "minimum": -10}])
    one = definition(admin, kind, "what?")
    assert (one["minimum"], type(one["minimum"])) == (-10.0, float)
    for wrong in ({"dtype": "float_array", "size": 0}, {"dtype": "float_array", "size": 2001}, {"dtype": "int", "order": "first"}, {},
                  {"dtype": "string", "autocomplete": {"serviceUrl": "/", "mode": "psychic"}}):
        refused(400, add_attribute, admin, scene.box_type, {"name": "Wrong", **wrong})
    for name in ("<%:&#;(),@>", "a - b", "_x 1"):
        add_attribute(admin, scene.box_type, {"name": name, "dtype": "int"})
        assert definition(admin, scene.box_type, name)
    refused(400, change_attribute, admin, scene.box_type, "Count", {"name": "Cou?nt"})


def test_a_default_is_a_value(admin, scene):
    refused(400, add_attribute, admin, scene.box_type, {"name": "Depth", "dtype": "float", "default": "deep"})
    assert definition(admin, scene.box_type, "Depth") is None
    add_attribute(admin, scene.box_type, {"name": "Depth", "dtype": "float", "default": "7.5"})
    one, = scene.add({})
    assert scene.api.get_localization(one).attributes["Depth"] == 7.5


def test_mutations_need_what_the_new_kind_needs(admin, scene):
    one, = scene.add({"attributes": {"Species": "cod"}})
    body = refused(400, change_attribute, admin, scene.box_type, "Species", {"name": "Species", "dtype": "enum"})
    assert "choices" in body["message"] + body["details"]
    refused(400, admin.update_attribute_type, scene.box_type, attribute_type_update={
        "entity_type": "LocalizationType", "current_name": "Species", "attribute_type_update": {"dtype": "string"}})
    for missing in ("entity_type", "current_name", "attribute_type_update"):
        full = {"entity_type": "LocalizationType", "current_name": "Species", "attribute_type_update": {"name": "Taxon"}}
        del full[missing]
        body = refused(400, admin.update_attribute_type, scene.box_type, attribute_type_update=full)
        assert body["message"] == "Request body validation error"
    # A rename and a change of kind at once.
    message = change_attribute(admin, scene.box_type, "Species", {"name": "Taxon", "dtype": "enum", "choices": ["cod", "eel"]}).message
    assert "Species" in message and "Taxon" in message
    assert admin.get_localization(one).attributes == {"Taxon": "cod"}
    refused(400, scene.add, {"attributes": {"Taxon": "ray"}})


def test_attributes_of_sections_are_edited_on_the_project(admin, project):
    add_attribute(admin, project, {"name": "Ship", "dtype": "string"}, "Section")
    section = admin.create_section(project, section_spec={"name": "Cruise", "attributes": {"Ship": "Meteor"}}).id
    change_attribute(admin, project, "Ship", {"name": "Vessel"}, "Section")
    assert admin.get_section(section).attributes == {"Vessel": "Meteor"}
    admin.replace_attribute_type(project, attribute_type_update={
        "entity_type": "Section", "current_name": "Vessel",
        "attribute_type_update": {"name": "Vessel", "dtype": "enum", "choices": ["Meteor", "Sonne"]}})
    refused(400, admin.update_section, section, section_update={"attributes": {"Vessel": "Titanic"}})
    admin.update_section(section, section_update={"attributes": {"Vessel": "Sonne"}})
    delete = {"entity_type": "Section", "name": "Vessel"}
    assert admin.delete_attribute_type(project, attribute_type_delete=delete).message == "Attribute 'Vessel' deleted"
    assert admin.get_section(section).attributes == {} and admin.get_project(project).attribute_types == []
    admin.delete_attribute_type(project, attribute_type_delete=delete)  # once more says nothing


def test_one_name_for_many_types(admin, project):
    for _ in range(2):
        admin.create_media_type(project, media_type_spec={"name": "Twin", "dtype": "video"})
        admin.create_leaf_type(project, leaf_type_spec={"name": "Twin"})
    assert len(admin.get_media_type_list(project)) == len(admin.get_leaf_type_list(project)) == 2


@pytest.mark.parametrize("definition, message", [
    ({"dtype": "int"}, "Attribute type definition missing 'name' field"),
    ({"name": "q"}, "Attribute type definition missing 'dtype' field"),
    ({"name": "$q", "dtype": "int"}, "Attribute type name can not start with '$' character"),
    ({"name": "q", "dtype": "enum"}, "enum attribute type definition missing 'choices' field"),
    ({"name": "q", "dtype": "float_array"}, "float_array attribute type definition missing 'size' field"),
])
def test_what_a_bad_definition_is_told(admin, project, scene, definition, message):
    """The same when a type is made and when it gets one more attribute."""
    assert refused(400, add_attribute, admin, scene.box_type, definition)["message"] == message
    refused_with = [refused(400, call) for call in (
        lambda: add_media_type(admin, project, attributes=[definition]),
        lambda: add_box_type(admin, project, [scene.video_type], [definition]),
        lambda: add_state_type(admin, project, [scene.video_type], "Media", [definition]),
        lambda: add_leaf_type(admin, project, [definition]))]
    assert {body["message"] for body in refused_with} == {message}


def test_what_a_wrong_name_is_told(admin, project, scene):
    name = admin.get_localization_type(scene.box_type).name
    body = refused(400, change_attribute, admin, scene.box_type, "Nothing", {"name": "Something"})
    assert body["message"] == f"Could not find attribute name Nothing in entity type {name}"
    body = refused(400, add_attribute, admin, scene.box_type, {"name": "Species", "dtype": "int"})
    assert body["message"] == "Species is already an attribute."
    twice = [{"name": "q", "dtype": "int"}] * 2
    assert refused(400, add_box_type, admin, project, [scene.video_type], twice)["message"] == "q is already an attribute."
    body = refused(400, change_attribute, admin, scene.box_type, "Count", {"name": "Count", "dtype": "string"})
    assert body["message"] == "Attempted mutation of Count from int to string is not allowed!"
    refused(404, add_attribute, admin, NOWHERE, {"name": "q", "dtype": "int"})
    refused(400, add_attribute, admin, scene.box_type, {"name": "q", "dtype": "int"}, "Localization")


def test_keys_beyond_the_known_ones_of_encodings(admin, project):
    config = [{"resolution": 720, "bitrate": "2M"}]
    row = admin.get_media_type(add_media_type(admin, project, streaming_config=config))
    assert row.to_dict()["streaming_config"] == [
        {"resolution": 720, "bitrate": "2M", "vcodec": "h264", "crf": 23, "preset": "", "pixel_format": "yuv420p"}]


def test_types_name_what_is_theirs(admin, project, scene, organization):
    other = admin.create_project(project_spec={"name": unique("Other"), "organization": organization}).id
    for call in (lambda: add_box_type(admin, other, [scene.video_type]), lambda: add_state_type(admin, other, [scene.video_type], "Media"),
                 lambda: admin.update_media_type(scene.video_type, media_type_update={"default_box": NOWHERE})):
        assert refused(404, call)["message"].endswith("matching query does not exist.")
    assert admin.get_localization_type_list(other) == [] and admin.get_state_type_list(other) == []
