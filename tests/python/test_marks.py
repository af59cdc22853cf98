"""Revisions (marks), tombstones, layers (versions) and elemental ids."""

import uuid

import pytest
from support import Scene, add_box_type, add_state_type, add_video, ids, leaf, refused


@pytest.fixture
def scene(admin, project):
    return Scene(admin, project)


@pytest.fixture
def layer(admin, project):
    return admin.create_version(project, version_spec={"name": "Layer"}).id


def marks(scene, **filters):
    return [(row.id, row.mark, row.variant_deleted) for row in scene.list(show_all_marks=1, show_deleted=1, **filters)]


def test_an_edit_is_a_new_row(admin, scene):
    first, = scene.add({"frame": 3, "attributes": {"Species": "cod", "Count": 1}})
    before = admin.get_localization(first)
    response = admin.update_localization(first, localization_update={"attributes": {"Count": 2}})
    row = response.object
    assert response.message == (
        f"Localization {before.elemental_id}@{before.version}/{row['mark'] - 1} successfully updated!")
    assert (row["id"] != first, row["mark"], row["elemental_id"]) == (True, 1, before.elemental_id)
    assert row["attributes"] == {"Species": "cod", "Count": 2}
    assert (row["frame"], row["created_datetime"], row["x"]) == (3, before.created_datetime, 0.1)
    assert admin.get_localization(first).attributes["Count"] == 1
    assert scene.found() == [row["id"]]
    assert scene.found(attribute=["Count::1"]) == []
    assert scene.found(show_all_marks=1) == [first, row["id"]]


def test_editing_an_old_row_goes_on_from_the_latest(admin, scene):
    first, = scene.add({"attributes": {"Count": 1}})
    admin.update_localization(first, localization_update={"attributes": {"Species": "cod"}})
    third = admin.update_localization(first, localization_update={"x": 0.5}).object
    assert (third["mark"], third["x"], third["attributes"]) == (2, 0.5, {"Count": 1, "Species": "cod"})


def test_pedantic_edits_only_the_latest(admin, scene):
    first, = scene.add({})
    second = admin.update_localization(first, localization_update={"x": 0.2}).object["id"]
    refused(400, admin.update_localization, first, localization_update={"x": 0.3, "pedantic": 1})
    assert admin.update_localization(second, localization_update={"x": 0.3, "pedantic": 1}).object["mark"] == 2


def test_in_place_keeps_the_row(admin, scene):
    first, = scene.add({})
    row = admin.update_localization(first, localization_update={"x": 0.2, "in_place": 1}).object
    assert (row["id"], row["mark"], row["x"]) == (first, 0, 0.2)
    assert marks(scene) == [(first, 0, False)]
    second = admin.update_localization(first, localization_update={"x": 0.3}).object["id"]
    admin.update_localization(first, localization_update={"x": 0.4, "in_place": 1})  # rewrites the latest
    assert (admin.get_localization(second).x, admin.get_localization(first).x) == (0.4, 0.2)


def test_delete_leaves_a_tombstone(admin, scene):
    first, = scene.add({})
    row = admin.get_localization(first)
    response = admin.delete_localization(first)
    assert response.message == f"Localization {row.version}/{row.elemental_id}@@{row.mark} successfully deleted!"
    assert scene.found() == []
    assert marks(scene) == [(first, 0, False), (response.id, 1, True)]
    assert scene.found(show_deleted=1) == [response.id]
    assert admin.get_localization(response.id).variant_deleted is True
    assert admin.get_localization(first).variant_deleted is False


def test_prune_removes_one_row_and_the_one_before_returns(admin, scene):
    first, = scene.add({})
    second = admin.update_localization(first, localization_update={"x": 0.9}).object["id"]
    admin.delete_localization(second, localization_delete={"prune": 1})
    assert scene.found() == [first]
    assert marks(scene) == [(first, 0, False)]
    refused(404, admin.get_localization, second)
    admin.delete_localization(first, localization_delete={"prune": 1})
    assert marks(scene) == []


def test_undeleting_by_pruning_the_tombstone(admin, scene):
    first, = scene.add({})
    stone = admin.delete_localization(first).id
    admin.delete_localization(stone, localization_delete={"prune": 1})
    assert scene.found() == [first]


def test_posting_the_same_elemental_id_is_an_edit(admin, scene):
    eid = str(uuid.uuid4())
    first, = scene.add({"elemental_id": eid})
    second, = scene.add({"elemental_id": eid, "x": 0.7})
    assert [(row.id, row.mark) for row in scene.list(show_all_marks=1)] == [(first, 0), (second, 1)]
    assert scene.found() == [second]
    body = refused(400, scene.add, {"elemental_id": "not-a-uuid"})
    assert "Could not convert 'not-a-uuid' into a UUID" in body["message"] + body["details"]


def test_by_version_and_elemental_id(admin, scene):
    first, = scene.add({})
    row = admin.get_localization(first)
    second = admin.update_localization_by_elemental_id(
        row.version, row.elemental_id, localization_update={"x": 0.6}).object["id"]
    assert admin.get_localization_by_elemental_id(row.version, row.elemental_id).id == second
    assert admin.get_localization_by_elemental_id(row.version, row.elemental_id, mark=0).id == first
    admin.delete_localization_by_elemental_id(row.version, row.elemental_id)
    assert admin.get_localization_by_elemental_id(row.version, row.elemental_id).variant_deleted is True
    refused(404, admin.get_localization_by_elemental_id, row.version, str(uuid.uuid4()))


def test_bulk_edits_make_marks_unless_in_place(admin, scene, project):
    made = scene.add({}, {})
    admin.update_localization_list(project, localization_bulk_update={"attributes": {"Count": 4}})
    assert len(marks(scene)) == 4 and not set(scene.found()) & set(made)
    admin.update_localization_list(project, localization_bulk_update={})
    assert len(marks(scene)) == 6
    now = scene.found()
    admin.update_localization_list(project, localization_bulk_update={"attributes": {"Count": 5}, "in_place": 1})
    assert scene.found(attribute=["Count::5"]) == now and len(marks(scene)) == 6


def test_bulk_delete_and_prune(admin, scene, project):
    first, other = scene.add({}, {})
    second = admin.update_localization(first, localization_update={"x": 0.9}).object["id"]
    admin.delete_localization_list(project, localization_bulk_delete={"ids": [second], "prune": 1})
    assert scene.found() == [first, other]  # the mark before is back
    admin.delete_localization_list(project)
    assert scene.found() == [] and len(marks(scene)) == 4
    admin.delete_localization_list(project, show_all_marks=1, show_deleted=1, localization_bulk_delete={"prune": 1})
    assert marks(scene) == []


def test_new_version_copies(admin, scene, project, layer):
    base = admin.get_version_list(project)[0].id
    made = scene.add({"attributes": {"Count": 1}}, {"attributes": {"Count": 2}})
    eids = {admin.get_localization(one).elemental_id for one in made}
    response = admin.update_localization_list(project, localization_bulk_update={"ids": made, "new_version": layer})
    assert response.message == "Successfully updated 2 localizations!"
    assert scene.found(version=[base]) == made
    copies = scene.list(version=[layer])
    assert {row.elemental_id for row in copies} == eids
    assert [row.attributes["Count"] for row in copies] == [1, 2]
    assert not set(ids(copies)) & set(made)


def test_new_version_in_place_moves(admin, scene, project, layer):
    base = admin.get_version_list(project)[0].id
    made = scene.add({}, {})
    admin.update_localization_list(project, localization_bulk_update={"ids": made, "new_version": layer, "in_place": 1})
    assert scene.found(version=[base]) == []
    assert scene.found(version=[layer]) == made


def test_layers_hide_what_they_replace(admin, scene, project, layer):
    base = admin.get_version_list(project)[0].id
    kept, replaced = scene.add({"version": base}, {"version": base})
    child, = scene.add({"version": layer, "parent": replaced, "x": 0.6})
    assert scene.found(version=[base, layer]) == [kept, child]
    assert scene.found(version=[base, layer], merge=0) == [kept, replaced, child]
    assert scene.found(version=[base]) == [kept, replaced]
    assert scene.found() == [kept, replaced, child]
    stone = admin.delete_localization(child).id
    assert scene.found(version=[base, layer]) == [kept]
    assert scene.found(version=[base, layer], show_deleted=1) == [kept, stone]
    assert admin.get_localization(replaced).variant_deleted is False


def test_a_parent_is_named_later(admin, scene, layer):
    parent, = scene.add({})
    layers = [admin.get_localization(parent).version, layer]
    child, = scene.add({"version": layer})
    assert scene.found(version=layers) == [parent, child]
    row = admin.update_localization(child, localization_update={"parent": parent}).object
    assert (row["parent"], row["mark"]) == (parent, 1)
    assert scene.found(version=layers) == [row["id"]]
    assert admin.update_localization(child, localization_update={"x": 0.5}).object["parent"] == parent


class TestFilteredLayers:
    """With more filters, what is hidden is the parent of another annotation that they select, too."""

    @pytest.fixture
    @classmethod
    def layers(cls, admin, project, layer):
        return [admin.get_version_list(project)[0].id, layer]

    def test_by_attribute(self, scene, layers):
        cod, eel = scene.add({"attributes": {"Species": "cod"}}, {"attributes": {"Species": "eel"}}, version=layers[0])
        ling, = scene.add({"attributes": {"Species": "ling", "Length": 2.5}, "version": layers[1], "parent": cod})
        elver, = scene.add({"attributes": {"Species": "eel", "Length": 0.5}, "version": layers[1], "parent": eel})
        assert scene.found(version=layers) == [ling, elver]
        assert scene.found(version=layers, attribute=["Species::cod"]) == [cod]
        assert scene.found(version=layers, attribute=["Species::eel"]) == [elver]
        assert scene.found(version=layers, attribute_contains=["Species::l"]) == [ling, elver]
        assert scene.found(version=layers, attribute_null=["Length::true"]) == [cod, eel]
        assert scene.search(leaf("Species", "in", ["cod", "eel"]), version=layers) == [cod, elver]
        assert scene.search(leaf("Species", "eq", "ling"), version=layers) == [ling]
        assert scene.found(version=layers, attribute=["Species::cod"], sort_by=["Species"]) == [cod]

    def test_by_type_media_and_frame(self, admin, project, scene, layers):
        other = add_box_type(admin, project, [scene.video_type])
        video = add_video(admin, project, scene.video_type)
        one, two = scene.add({"frame": 1}, {"frame": 2}, version=layers[0])
        child, = scene.add({"frame": 1, "version": layers[1], "parent": one, "type": other})
        far, = scene.add({"frame": 9, "version": layers[1], "parent": two, "media_id": video})
        assert scene.found(version=layers) == [child, far]
        assert scene.found(version=layers, type=scene.box_type) == [one, far]
        assert scene.found(version=layers, type=other) == [child]
        assert scene.found(version=layers, media_id=[scene.video]) == [two, child]
        assert scene.found(version=layers, media_id=[video]) == [far]
        assert scene.found(version=layers, frame=1) == [child]
        assert scene.found(version=layers, frame=2) == [two]

    def test_a_tombstone_counts_where_it_would_be_selected(self, admin, scene, layers):
        cod, = scene.add({"attributes": {"Species": "cod"}, "version": layers[0]})
        child, = scene.add({"attributes": {"Species": "cod"}, "version": layers[1], "parent": cod})
        stone = admin.delete_localization(child).id
        assert scene.found(version=layers, attribute=["Species::cod"]) == []
        assert scene.found(version=layers, attribute=["Species::cod"], show_deleted=1) == [stone]

    def test_a_parent_that_is_edited_after_its_child_came(self, admin, scene, layers):
        parent, = scene.add({"attributes": {"Species": "cod"}, "version": layers[0]})
        child, = scene.add({"attributes": {"Species": "ling"}, "version": layers[1], "parent": parent})
        edited = admin.update_localization(parent, localization_update={"x": 0.7}).object["id"]
        assert scene.found(version=layers) == [child]
        assert scene.found(version=layers, attribute=["Species::cod"]) == [edited]
        # Its ids are behind the child's now: no page begins with what another page hid.
        assert scene.found(version=layers, after=child) == []

    def test_all_marks(self, admin, scene, layers):
        parent, kept = scene.add({}, {}, version=layers[0])
        child, = scene.add({"version": layers[1], "parent": parent})
        later = [admin.update_localization(one, localization_update={"x": 0.7}).object["id"] for one in (parent, child, kept)]
        # Revisions replace no revisions of their own annotation.
        assert scene.found(version=layers, show_all_marks=1) == [kept, child, *later[1:]]
        assert scene.found(version=layers, show_all_marks=1, merge=0) == [parent, kept, child, *later]
        assert scene.found(version=layers) == later[1:]


def test_a_child_takes_its_parents_elemental_id(admin, scene, layer):
    parent, = scene.add({})
    eid = admin.get_localization(parent).elemental_id
    child, = scene.add({"version": layer, "parent": parent})
    assert admin.get_localization(child).elemental_id == eid
    own = str(uuid.uuid4())
    other, = scene.add({"version": layer, "parent": parent, "elemental_id": own})
    assert admin.get_localization(other).elemental_id == own


def test_the_same_elemental_id_in_two_versions_is_two_chains(admin, scene, layer):
    eid = str(uuid.uuid4())
    one, two = scene.add({"elemental_id": eid}, {"elemental_id": eid, "version": layer})
    assert [admin.get_localization(row).mark for row in (one, two)] == [0, 0]
    assert scene.found(elemental_id=eid) == [one, two]
    assert scene.found(elemental_id=eid, version=[layer]) == [two]
    refused(400, scene.list, elemental_id="not-a-uuid")


def test_changing_the_elemental_id_joins_that_chain(admin, scene):
    one, two = scene.add({}, {"x": 0.5})
    eid = admin.get_localization(one).elemental_id
    row = admin.update_localization(two, localization_update={"elemental_id": eid}).object
    assert (row["elemental_id"], row["mark"], row["x"]) == (eid, 1, 0.5)
    assert admin.get_localization_by_elemental_id(row["version"], eid).id == row["id"]


def test_a_state_copy_keeps_its_elemental_id(admin, scene, project, layer):
    base = admin.get_version_list(project)[0].id
    track_type = add_state_type(admin, project, [scene.video_type], "Localization")
    member, = scene.add({"frame": 4})
    made = admin.create_state_list(
        project, body={"type": track_type, "media_ids": [scene.video], "localization_ids": [member]}).id
    admin.update_state_list(project, state_bulk_update={"ids": made, "new_version": layer})
    original, = admin.get_state_list(project, version=[base])
    copy, = admin.get_state_list(project, version=[layer])
    assert (original.id, copy.elemental_id) == (made[0], original.elemental_id)
    assert copy.id != original.id


def test_boxes_may_come_back_after_delete(admin, scene):
    eid = str(uuid.uuid4())
    first, = scene.add({"elemental_id": eid})
    admin.delete_localization(first)
    again, = scene.add({"elemental_id": eid, "x": 0.8})
    assert scene.found() == [again]
    assert admin.get_localization(again).mark == 2


def test_pedantic_deletes_only_the_latest(admin, scene, project):
    first, = scene.add({})
    second = admin.update_localization(first, localization_update={"x": 0.2}).object["id"]
    refused(400, admin.delete_localization, first, localization_delete={"pedantic": 1})
    refused(400, admin.delete_localization, first, localization_delete={"pedantic": 1, "prune": 1})
    refused(400, admin.delete_localization_list, project, show_all_marks=1, localization_bulk_delete={"pedantic": 1})
    assert scene.found() == [second]
    admin.delete_localization_list(project, localization_bulk_delete={"pedantic": 1})
    assert scene.found() == []


def test_a_patch_moves_into_another_version(admin, scene, layer):
    first, = scene.add({"attributes": {"Count": 1}})
    before = admin.get_localization(first)
    copy = admin.update_localization(first, localization_update={"version": layer, "x": 0.5}).object
    assert (copy["version"], copy["elemental_id"], copy["mark"]) == (layer, before.elemental_id, 0)
    assert scene.found(version=[before.version]) == [first] and scene.found(version=[layer]) == [copy["id"]]
    moved = admin.update_localization(first, localization_update={"version": layer, "in_place": 1}).object
    assert (moved["id"], moved["version"], moved["mark"]) == (first, layer, 1)
    assert scene.found(version=[before.version]) == [] and scene.found(version=[layer]) == [first]
    refused(400, admin.update_localization, first, localization_update={"version": 2_000_000_000})


def test_a_bulk_change_by_id_rewrites_an_older_mark(admin, scene, project):
    first, = scene.add({"attributes": {"Count": 1}})
    second = admin.update_localization(first, localization_update={"attributes": {"Count": 2}}).object["id"]
    admin.update_localization_list(project, localization_bulk_update={"ids": [first], "attributes": {"Count": 9}})
    assert [admin.get_localization(one).attributes["Count"] for one in (first, second)] == [9, 2]
    assert marks(scene) == [(first, 0, False), (second, 1, False)]
    assert scene.found(attribute=["Count::9"]) == [] and scene.found(attribute=["Count::9"], show_all_marks=1) == [first]


def test_another_author(admin, scene, project, members):
    first, second = scene.add({}, {})
    author = members.editor.api.whoami()
    row = admin.update_localization(first, localization_update={"user_elemental_id": author.elemental_id}).object
    assert (row["id"], row["mark"], row["created_by"], row["user"]) == (first, 0, author.id, author.id)
    refused(404, admin.update_localization, first, localization_update={"user_elemental_id": str(uuid.uuid4())})
    refused(403, members.editor.api.update_localization, first, localization_update={"user_elemental_id": author.elemental_id})
    change = {"user_elemental_id": author.elemental_id}
    refused(403, members.editor.api.update_localization_list, project, localization_bulk_update=change)
    refused(404, admin.update_localization_list, project, localization_bulk_update={"user_elemental_id": str(uuid.uuid4())})
    members.owner.api.update_localization_list(project, localization_bulk_update=change)
    assert {row.created_by for row in scene.list()} == {author.id}
    assert marks(scene) == [(first, 0, False), (second, 0, False)]
