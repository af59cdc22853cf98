"""Collections, events and tracks."""

import csv
import io
import json

import pytest
import tator
from support import Scene, add_box_type, add_state_type, encoded, ids, leaf, refused, unique


class Tracks(Scene):
    """A scene with a track type, an event type and a collection type."""

    def __init__(self, api, project, videos=2, **more):
        super().__init__(api, project, videos)
        attributes = [{"name": "Name", "dtype": "string"}, {"name": "Size", "dtype": "int"}]
        self.track_type = add_state_type(api, project, [self.video_type], "Localization", attributes, **more)
        self.event_type = add_state_type(api, project, [self.video_type], "Frame", attributes)
        self.collection_type = add_state_type(api, project, [self.video_type], "Media", attributes)

    def track(self, frames, **more):
        members = self.add(*({"frame": frame} for frame in frames))
        spec = {"type": self.track_type, "media_ids": [self.video], "localization_ids": members, **more}
        return self.api.create_state_list(self.project, body=spec).id[0], members

    def state(self, state):
        return self.api.get_state(state)

    def states(self, **filters):
        rows = self.api.get_state_list(self.project, **filters)
        assert self.api.get_state_count(self.project, **filters) == len(rows)
        return ids(rows)


@pytest.fixture
def scene(admin, project):
    return Tracks(admin, project)


def test_track(admin, scene, project):
    response = admin.create_state_list(project, body=[
        {"type": scene.track_type, "media_ids": [scene.video], "localization_ids": scene.add(
            *({"frame": frame} for frame in (7, 3, 4, 5, 9, 8))), "attributes": {"Name": "eel"}}])
    assert response.message == "Successfully created 1 states!"
    row = scene.state(response.id[0])
    assert isinstance(row, tator.models.State)
    assert row.segments == [[3, 5], [7, 9]]
    assert (row.media, len(row.localizations), row.attributes, row.mark) == ([scene.video], 6, {"Name": "eel"}, 0)
    assert "project" not in row


def test_adding_and_removing_members(admin, scene):
    track, members = scene.track([1, 2, 3])
    extra = scene.add({"frame": 10})
    row = admin.update_state(track, state_update={"localization_ids_add": extra}).object
    assert (row["mark"], row["segments"], sorted(row["localizations"])) == (1, [[1, 3], [10, 10]], sorted(members + extra))
    row = admin.update_state(row["id"], state_update={"localization_ids_remove": members[1:2], "in_place": 1}).object
    assert (row["segments"], sorted(row["localizations"])) == ([[1, 1], [3, 3], [10, 10]], sorted([members[0], members[2], *extra]))
    row = admin.update_state(row["id"], state_update={"localization_ids": extra, "in_place": 1}).object
    assert (row["segments"], row["localizations"]) == ([[10, 10]], extra)
    assert scene.state(track).segments == [[1, 3]]  # the old mark keeps its members


def test_an_empty_track_has_no_segments(admin, scene, project):
    track = admin.create_state_list(project, body={"type": scene.track_type, "media_ids": [scene.video]}).id[0]
    assert (scene.state(track).segments, scene.state(track).localizations) == (None, [])


def test_event_needs_a_frame(admin, scene, project):
    spec = {"type": scene.event_type, "media_ids": [scene.video]}
    body = refused(400, admin.create_state_list, project, body=spec)
    assert 'Missing required field in request body "frame".' in body["message"] + body["details"]
    made = admin.create_state_list(project, body={**spec, "frame": 0}).id[0]
    assert scene.state(made).frame == 0
    assert admin.update_state(made, state_update={"frame": 12}).object["frame"] == 12


def test_collections_and_filters(admin, scene, project):
    made = admin.create_state_list(project, body=[
        {"type": scene.collection_type, "media_ids": scene.videos[: 1 + n % 2], "attributes": {"Size": n, "Name": f"c{n}"}}
        for n in range(500)]).id
    assert len(made) == 500
    assert scene.states(attribute=["Name::c42"]) == made[42:43]
    assert scene.states(attribute_lt=["Size::5"]) == made[:5]
    assert ids(admin.get_state_list(project, start=10, stop=15)) == made[10:15]
    assert scene.states(encoded_search=encoded(leaf("Size", "gte", 498))) == made[498:]
    assert ids(admin.get_state_list_by_id(project, state_id_query={"ids": made[7:9]})) == made[7:9]
    assert admin.get_state_count_by_id(project, state_id_query={"media_ids": scene.videos[1:]}) == 250


def test_filters_do_not_shorten_the_arrays(admin, scene, project):
    collection = admin.create_state_list(project, body={"type": scene.collection_type, "media_ids": scene.videos}).id[0]
    track, members = scene.track([1, 2])
    row, = [row for row in admin.get_state_list(project, media_id=scene.videos[1:])]
    assert (row.id, row.media) == (collection, scene.videos)
    row, = admin.get_state_list(project, related_id=members[:1])
    assert (row.id, row.localizations) == (track, members)
    row, = admin.get_state_list_by_id(project, state_id_query={"localization_ids": members[1:]})
    assert (row.id, row.localizations) == (track, members)


def test_localizations_of_a_track(admin, scene, project):
    track, members = scene.track([1, 2])
    on_frame, _ = scene.add({"frame": 2}, {"frame": 3})
    assert scene.found(related_id=[track]) == members
    rows = admin.get_localization_list_by_id(project, localization_id_query={"state_ids": [track]})
    assert ids(rows) == members
    event = admin.create_state_list(project, body={"type": scene.event_type, "media_ids": [scene.video], "frame": 2}).id
    rows = admin.get_localization_list_by_id(project, localization_id_query={"frame_state_ids": event})
    assert ids(rows) == [members[1], on_frame]


def test_merge(admin, scene):
    (first, a), (second, b) = scene.track([1, 2]), scene.track([3, 9])
    message = admin.merge_states(first, state_merge_update={"merge_state_id": second}).message
    assert message == f"Localizations from state {second} has been merged into {first}. State {second} has been deleted."
    row = scene.state(first)
    assert (sorted(row.localizations), row.segments) == (sorted(a + b), [[1, 3], [9, 9]])
    refused(404, scene.state, second)
    assert scene.states() == [first]
    assert scene.found() == a + b


@pytest.mark.parametrize("endpoint, kept", [("start", [3, 4, 5]), ("end", [1, 2, 3])])
def test_trim(admin, scene, endpoint, kept):
    track, members = scene.track([1, 2, 3, 4, 5])
    message = admin.trim_state_end(track, state_trim_update={"frame": 3, "endpoint": endpoint}).message
    assert message == f"State {track} has been updated. Deleted 2 localizations."
    assert scene.state(track).segments == [[kept[0], kept[-1]]]
    assert sorted(row.frame for row in scene.list()) == kept
    assert scene.found(show_all_marks=1, show_deleted=1) == [one for one, n in zip(members, range(1, 6)) if n in kept]


def test_trim_spares_members_of_other_tracks(admin, scene, project):
    track, members = scene.track([1, 2, 3])
    other = admin.create_state_list(project, body={
        "type": scene.track_type, "media_ids": [scene.video], "localization_ids": members[:1]}).id[0]
    message = admin.trim_state_end(track, state_trim_update={"frame": 3, "endpoint": "start"}).message
    assert message == f"State {track} has been updated. Deleted 1 localizations."
    assert scene.found() == [members[0], members[2]]
    assert scene.state(other).localizations == members[:1]


def test_delete(admin, scene):
    track, members = scene.track([1])
    row = scene.state(track)
    response = admin.delete_state(track)
    assert response.message == f"State {row.version}/{row.elemental_id}@@{row.mark} successfully deleted!"
    assert scene.states() == []
    assert scene.states(show_deleted=1) == [response.id]
    assert scene.found() == members


def test_delete_child_localizations(admin, project):
    scene = Tracks(admin, project, delete_child_localizations=True)
    (track, members), (other, _) = scene.track([1, 2]), scene.track([5])
    admin.update_state(other, state_update={"localization_ids_add": members[:1], "in_place": 1})
    admin.delete_state(track)
    assert scene.found() == [members[0], *[one for one in scene.state(other).localizations if one != members[0]]]


def test_bulk_update_and_delete(admin, scene, project):
    made = [scene.track([n])[0] for n in range(4)]
    message = admin.update_state_list(project, state_bulk_update={
        "ids": made[:2], "attributes": {"Name": "x"}, "in_place": 1}).message
    assert message == "Successfully updated 2 states!"
    assert scene.states(attribute=["Name::x"]) == made[:2]
    body = refused(400, admin.delete_state_list, project, count=3)
    assert body["message"] == "Safety check failed - expected 3 but would delete 4"
    assert admin.delete_state_list(project, attribute=["Name::x"]).message == "Successfully deleted 2 states!"
    assert scene.states() == made[2:]


def test_fields_always_bring_members(admin, scene, project):
    track, members = scene.track([1, 2])
    row, = admin.get_state_list(project, fields="id")
    assert row == {"id": track, "localizations": members, "media": [scene.video]}


def test_foreign_members(admin, scene, project, organization):
    other = Tracks(admin, admin.create_project(project_spec={"name": unique("Other"), "organization": organization}).id)
    foreign = other.add({})
    refused(400, admin.create_state_list, project, body={
        "type": scene.track_type, "media_ids": other.videos})
    refused(400, admin.create_state_list, project, body={
        "type": scene.track_type, "media_ids": [scene.video], "localization_ids": foreign})
    assert scene.states() == []


def test_deleting_all_media_of_a_state(admin, scene, project):
    both, one = admin.create_state_list(project, body=[
        {"type": scene.collection_type, "media_ids": scene.videos},
        {"type": scene.collection_type, "media_ids": scene.videos[:1]}]).id
    admin.delete_media(scene.videos[0])
    assert scene.states() == [both]
    admin.delete_media(scene.videos[1])
    assert scene.states() == []
    refused(404, scene.state, one)


def test_members_of_different_types(admin, scene, project):
    dots = add_box_type(admin, project, [scene.video_type], dtype="dot")
    dot = admin.create_localization_list(project, body={
        "media_id": scene.video, "type": dots, "frame": 8, "x": 0.5, "y": 0.5}).id
    track, members = scene.track([1])
    admin.update_state(track, state_update={"localization_ids_add": dot, "in_place": 1})
    assert scene.state(track).segments == [[1, 1], [8, 8]]
    assert sorted(scene.state(track).localizations) == sorted(members + dot)


def history(scene, row):
    """Every revision that is left of a state."""
    rows = scene.api.get_state_list(scene.project, show_all_marks=1, show_deleted=1, elemental_id=row.elemental_id)
    return [one.mark for one in rows]


def test_a_merged_state_is_gone_with_its_history(admin, scene):
    (first, _), (second, _) = scene.track([1]), scene.track([2])
    second = admin.update_state(second, state_update={"attributes": {"Name": "edited"}}).object["id"]
    row = scene.state(second)
    admin.merge_states(first, state_merge_update={"merge_state_id": second})
    assert scene.states() == [first]
    assert history(scene, row) == []


def test_trimmed_boxes_are_gone_with_their_history(admin, scene):
    track, (kept, cut) = scene.track([1, 5])
    cut = admin.update_localization(cut, localization_update={"x": 0.5}).object["id"]
    admin.trim_state_end(track, state_trim_update={"frame": 3, "endpoint": "end"})
    assert scene.found(show_all_marks=1, show_deleted=1) == [kept]
    assert scene.state(track).localizations == [kept]


def test_pruning_the_newest_mark_of_a_member_keeps_the_member(admin, scene):
    track, (one, other) = scene.track([1, 5])
    newest = admin.update_localization(one, localization_update={"frame": 2}).object["id"]
    assert (scene.state(track).localizations, scene.state(track).segments) == ([newest, other], [[2, 2], [5, 5]])
    admin.delete_localization(newest, localization_delete={"prune": 1})
    assert (scene.state(track).localizations, scene.state(track).segments) == ([one, other], [[1, 1], [5, 5]])
    admin.delete_localization(one, localization_delete={"prune": 1})
    assert scene.state(track).localizations == [other]


def test_tracks_follow_a_member_that_is_posted_again(admin, scene):
    track, (one, other) = scene.track([1, 5])
    eid = admin.get_localization(one).elemental_id
    middle, again = scene.add({"frame": 2, "elemental_id": eid}, {"frame": 3, "elemental_id": eid})
    assert scene.found() == [other, again]
    assert (scene.state(track).localizations, scene.state(track).segments) == ([again, other], [[3, 3], [5, 5]])


def test_tracks_follow_a_member_that_another_box_replaces(admin, scene):
    track, (one, other) = scene.track([1, 5])
    eid = admin.get_localization(one).elemental_id
    new, = scene.add({"frame": 9})
    row = admin.update_localization(new, localization_update={"elemental_id": eid}).object
    assert scene.state(track).localizations == [row["id"], other]
    layer = admin.get_localization(one).version
    admin.update_localization_list(scene.project, localization_bulk_update={"ids": [one], "new_version": layer})
    newest = admin.get_localization_by_elemental_id(layer, eid)
    assert (newest.mark, newest.frame) == (2, 1)
    assert scene.state(track).localizations == [newest.id, other]


def test_deleting_by_an_old_mark_takes_the_member_out(admin, scene, project):
    track, (one, other) = scene.track([1, 5])
    admin.update_localization(one, localization_update={"x": 0.5})
    admin.delete_localization_list(project, show_all_marks=1, localization_bulk_delete={"ids": [one]})
    assert scene.found() == [other]
    assert scene.state(track).localizations == [other]


def test_by_version_and_elemental_id(admin, scene):
    track, _ = scene.track([1], attributes={"Size": 1})
    row = scene.state(track)
    place = (row.version, row.elemental_id)
    second = admin.update_state_by_elemental_id(*place, state_update={"attributes": {"Size": 2}}).object
    assert (second["mark"], second["attributes"]["Size"]) == (1, 2)
    assert admin.get_state_by_elemental_id(*place).id == second["id"]
    assert admin.get_state_by_elemental_id(*place, mark=0).id == track
    refused(404, admin.get_state_by_elemental_id, *place, mark=7)
    assert admin.delete_state_by_elemental_id(*place).message.endswith("@@1 successfully deleted!")
    assert admin.get_state_by_elemental_id(*place).variant_deleted is True
    assert scene.states() == []


def test_pedantic_touches_only_the_latest(admin, scene, project):
    track, _ = scene.track([1])
    newest = admin.update_state(track, state_update={"attributes": {"Size": 2}}).object["id"]
    refused(400, admin.update_state, track, state_update={"attributes": {"Size": 3}, "pedantic": 1})
    refused(400, admin.delete_state, track, state_delete={"pedantic": 1})
    refused(400, admin.delete_state_list, project, show_all_marks=1, state_bulk_delete={"pedantic": 1})
    assert scene.states() == [newest]
    admin.delete_state(newest, state_delete={"pedantic": 1})
    assert scene.states() == []


def test_pruning_a_track_prunes_the_members_that_are_its_alone(admin, project):
    scene = Tracks(admin, project, delete_child_localizations=True)
    (track, members), (other, _) = scene.track([1, 2]), scene.track([5])
    admin.update_state(other, state_update={"localization_ids_add": members[:1], "in_place": 1})
    shared = scene.state(other).localizations
    admin.delete_state(track, state_delete={"prune": 1})
    assert sorted(scene.found(show_all_marks=1, show_deleted=1)) == sorted(shared)
    assert scene.states(show_all_marks=1, show_deleted=1)[-1] == other


def test_layers_hide_what_they_replace(admin, scene, project):
    base = admin.get_version_list(project)[0].id
    layer = admin.create_version(project, version_spec={"name": "Layer"}).id

    def add(**more):
        spec = {"type": scene.collection_type, "media_ids": scene.videos, **more}
        return admin.create_state_list(project, body=spec).id[0]

    kept, replaced = add(version=base), add(version=base)
    child = add(version=layer, parent=replaced)
    assert scene.states(version=[base, layer]) == [kept, child]
    assert scene.states(version=[base, layer], merge=0) == [kept, replaced, child]
    stone = admin.delete_state(child).id
    assert scene.states(version=[base, layer]) == [kept]
    assert scene.states(version=[base, layer], show_deleted=1) == [kept, stone]
    assert scene.states(version=[base]) == [kept, replaced]


def test_pages_after_an_id(admin, scene):
    made = [scene.track([n])[0] for n in range(4)]
    assert scene.states(after=made[1]) == made[2:]
    assert ids(admin.get_state_list(scene.project, after=made[0], start=1, stop=2)) == made[2:3]


def test_searches_on_related_media(admin, scene, project):
    admin.update_media(scene.videos[0], media_update={"attributes": {"Camera": "bow"}})
    first, second = admin.create_state_list(project, body=[
        {"type": scene.collection_type, "media_ids": [video]} for video in scene.videos]).id
    assert scene.states(related_attribute=["Camera::bow"]) == [first]
    assert scene.states(related_attribute_contains=["$name::01"]) == [second]
    assert scene.states(related_attribute_null=["Camera::true"]) == [second]
    assert scene.states(encoded_related_search=encoded(leaf("Camera", "eq", "bow", inverse=True))) == [second]


def test_fields_that_there_are_not(admin, project):
    refused(400, admin.get_state_list, project, fields="id,nonsense")
    refused(400, admin.get_media_list, project, fields="nonsense")


def test_table(station, admin, scene, project):
    track, members = scene.track([3], attributes={"Name": "a,b", "Size": 4})
    text = station.http("GET", f"/rest/States/{project}?format=csv", station.admin_token).text
    row, = csv.DictReader(io.StringIO(text))
    name = admin.whoami().email or admin.whoami().username
    assert (row["id"], row["Name"], row["Size"]) == (str(track), "a,b", "4")
    assert (row["created_by"], row["modified_by"]) == (name, name)
    assert (json.loads(row["media"]), json.loads(row["localizations"])) == (["clip 00.mp4"], members)


def test_other_media_for_a_state(admin, scene):
    made = admin.create_state_list(scene.project, body={"type": scene.collection_type, "media_ids": scene.videos[:1]}).id[0]
    row = admin.update_state(made, state_update={"media_ids": scene.videos}).object
    assert (row["media"], row["mark"]) == (scene.videos, 1) and scene.state(made).media == scene.videos[:1]
    row = admin.update_state(row["id"], state_update={"media_ids": scene.videos[1:], "in_place": 1}).object
    assert row["media"] == scene.videos[1:]
    assert scene.states(media_id=scene.videos[1:]) == [row["id"]] and scene.states(media_id=scene.videos[:1]) == []


def test_a_state_moves_into_another_version(admin, scene, project):
    layer = admin.create_version(project, version_spec={"name": "Layer"}).id
    track, members = scene.track([1, 2])
    copy = admin.update_state(track, state_update={"version": layer}).object
    assert (copy["version"], copy["mark"], copy["localizations"]) == (layer, 0, members)
    assert scene.states(version=[layer]) == [copy["id"]]
    moved = admin.update_state(track, state_update={"version": layer, "in_place": 1}).object
    assert (moved["id"], moved["version"], moved["mark"]) == (track, layer, 1)
    refused(400, admin.update_state, track, state_update={"version": 2_000_000_000})


def test_states_of_two_types_are_not_changed_at_once(admin, scene, project):
    scene.track([1])
    admin.create_state_list(project, body={"type": scene.event_type, "media_ids": [scene.video], "frame": 0})
    body = refused(400, admin.update_state_list, project, state_bulk_update={"attributes": {"Size": 1}})
    assert body["message"] == "When doing a bulk patch the type id of all objects must be the same."
    admin.update_state_list(project, type=scene.event_type, state_bulk_update={"attributes": {"Size": 1}})
    assert len(scene.states(attribute=["Size::1"])) == 1


def test_values_of_states(admin, scene, project):
    track, _ = scene.track([1], attributes={"Name": "eel", "Size": "4"})
    assert scene.state(track).attributes == {"Name": "eel", "Size": 4}
    for wrong in ({"Size": "large"}, {"Nonsense": 1}):
        refused(400, admin.update_state, track, state_update={"attributes": wrong})
    row = admin.update_state(track, state_update={"null_attributes": ["Name"], "reset_attributes": ["Size"], "in_place": 1}).object
    assert row["attributes"] == {"Name": None, "Size": None}
    refused(400, admin.update_state, track, state_update={"null_attributes": ["Nonsense"]})
    for missing in ("type", "media_ids"):
        spec = {"type": scene.track_type, "media_ids": [scene.video]}
        del spec[missing]
        assert refused(400, admin.create_state_list, project, body=spec)["message"] == "Request body validation error"


def test_parents_and_chosen_identities(admin, scene, project):
    eid = "c0ffee00-0000-4000-8000-00000000beef"
    layer = admin.create_version(project, version_spec={"name": "Layer"}).id
    spec = {"type": scene.collection_type, "media_ids": [scene.video]}
    first, = admin.create_state_list(project, body={**spec, "elemental_id": eid}).id
    second, = admin.create_state_list(project, body={**spec, "elemental_id": eid}).id
    assert [(row.id, row.mark) for row in admin.get_state_list(project, show_all_marks=1)] == [(first, 0), (second, 1)]
    assert scene.states() == scene.states(elemental_id=eid) == [second]
    child, = admin.create_state_list(project, body={**spec, "version": layer, "parent": second}).id
    assert (scene.state(child).elemental_id, scene.state(child).parent) == (eid, second)
    body = refused(400, admin.create_state_list, project, body={**spec, "elemental_id": "no"})
    assert "Could not convert 'no' into a UUID" in body["message"] + body["details"]


def test_another_author_of_a_state(admin, scene, project, members):
    author = members.editor.api.whoami()
    track, _ = scene.track([1])
    row = admin.update_state(track, state_update={"user_elemental_id": author.elemental_id}).object
    assert (row["id"], row["mark"], row["created_by"]) == (track, 0, author.id)
    refused(403, members.editor.api.update_state, track, state_update={"user_elemental_id": author.elemental_id})
    made, = admin.create_state_list(project, body={
        "type": scene.collection_type, "media_ids": [scene.video], "user_elemental_id": author.elemental_id}).id
    assert scene.state(made).created_by == author.id


def test_merging_what_is_not_there(admin, scene):
    track, _ = scene.track([1])
    refused(404, admin.merge_states, track, state_merge_update={"merge_state_id": 2_000_000_000})
    refused(404, admin.merge_states, 2_000_000_000, state_merge_update={"merge_state_id": track})
    refused(400, admin.merge_states, track, state_merge_update={})
    for wrong in ({"frame": -1, "endpoint": "end"}, {"frame": 1, "endpoint": "middle"}, {"frame": 1}, {"endpoint": "end"}):
        refused(400, admin.trim_state_end, track, state_trim_update=wrong)
    assert scene.state(track).segments == [[1, 1]]


def test_whatever_is_merged(admin, scene):
    """States of other types and media are taken in, too."""
    track, members = scene.track([1])
    event = admin.create_state_list(scene.project, body={
        "type": scene.event_type, "media_ids": scene.videos[1:], "frame": 3,
        "localization_ids": scene.add({"frame": 8, "media_id": scene.videos[1]})}).id[0]
    admin.merge_states(track, state_merge_update={"merge_state_id": event})
    row = scene.state(track)
    assert (row.segments, len(row.localizations), row.type) == ([[1, 1], [8, 8]], 2, scene.track_type)
    refused(404, scene.state, event)


def test_states_in_sections(admin, scene, project):
    folder = admin.create_section(project, section_spec={"name": "F"}).id
    admin.update_media(scene.videos[1], media_update={"primary_section": folder})
    made = admin.create_state_list(project, body=[
        {"type": scene.collection_type, "media_ids": media} for media in ([scene.videos[0]], [scene.videos[1]], scene.videos)]).id
    assert scene.states(section=folder) == made[1:]
    empty = admin.create_section(project, section_spec={"name": "G"}).id
    assert scene.states(section=empty) == [] and scene.states(multi_section=[folder, empty]) == made[1:]
    refused(404, admin.get_state_list, project, section=2_000_000_000)


def test_order_of_states(admin, scene, project):
    made = admin.create_state_list(project, body=[
        {"type": scene.event_type, "media_ids": [scene.video], "frame": frame, "attributes": {"Size": frame % 2}}
        for frame in (5, 3, 4)]).id
    assert scene.states() == made
    assert scene.states(sort_by=["$frame"]) == [made[1], made[2], made[0]]
    assert scene.states(sort_by=["-Size", "$frame"]) == [made[1], made[0], made[2]]
    assert scene.states(attribute_gte=["$frame::4"]) == [made[0], made[2]]


def test_annotations_show_the_master_section_of_their_media(station, admin, scene, project):
    """It is the media's wherever it is shown, and follows the media at once; a state about several follows the oldest."""
    first, second = (admin.create_section(project, section_spec={"name": name}).id for name in ("One", "Two"))
    one, other = scene.videos
    admin.update_media(one, media_update={"primary_section": first})
    track, (shape, doomed, _) = scene.track([1, 2, 3])
    loose = scene.add({"media_id": other})[0]
    both = admin.create_state_list(project, body=[
        {"type": scene.collection_type, "media_ids": [other, one]}, {"type": scene.event_type, "media_ids": [other], "frame": 1}]).id

    def shown():
        """By what is listed, which is what every other way of asking says."""
        rows = {}
        for noun, get in (("Localization", admin.get_localization), ("State", admin.get_state)):
            plural = f"/rest/{noun}s/{project}"
            listed = station.http("GET", plural, station.admin_token).json()
            fields = station.http("GET", f"{plural}?fields=id,master_section", station.admin_token).json()
            table = csv.DictReader(io.StringIO(station.http("GET", f"{plural}?format=csv", station.admin_token).text))
            folders = [row["master_section"] for row in listed]
            assert [row["master_section"] for row in fields] == folders
            assert [row["master_section"] for row in table] == ["" if folder is None else str(folder) for folder in folders]
            assert [get(row["id"]).master_section for row in listed] == folders
            rows |= {row["id"]: row["master_section"] for row in listed}
        return [rows[id] for id in (shape, loose, track, *both)]

    assert shown() == [first, None, first, first, None]
    admin.update_media(other, media_update={"primary_section": second})
    assert shown() == [first, second, first, first, second]
    admin.update_media_list(project, media_bulk_update={"primary_section": second})
    assert shown() == [second] * 5
    admin.undo(project, undo_spec={"last": 1})
    assert shown() == [first, second, first, first, second]
    admin.update_media(one, media_update={"master_section": second})
    assert shown() == [second] * 5
    admin.delete_section(second)
    assert shown() == [first, None, first, first, None]
    admin.undo(project, undo_spec={"last": 1})
    assert shown() == [second] * 5
    assert admin.get_media(one).primary_section == first
    shape = admin.update_localization(shape, localization_update={"x": 0.5}).object
    state = admin.update_state(both[0], state_update={"media_ids": [other], "in_place": 1}).object
    assert (shape["master_section"], state["master_section"], list(shape)[-1]) == (second, second, "master_section")
    # Nobody sets it, and the journal does not say that it changed.
    admin.update_localization(loose, localization_update={"master_section": first, "in_place": 1})
    assert admin.get_localization(loose).master_section == second
    merged = scene.track([7])[0]
    admin.update_media(one, media_update={"master_section": first})
    admin.merge_states(merged, state_merge_update={"merge_state_id": admin.get_state_list(project, type=scene.track_type)[0].id})
    assert {row.master_section for row in admin.get_state_list(project, type=scene.track_type)} == {first}
    changed = [row for entry in admin.get_journal(project, detail=1, limit=500) for row in entry.rows or []
               if entry.noun in ("localization", "state")]
    assert changed and "master_section" not in json.dumps(changed, default=str)
