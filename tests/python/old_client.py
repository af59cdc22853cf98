"""What a script of the generated client (tator 1.6.14) does: run by `test_old_client.py` with that client's own Python.

    python old_client.py HOST TOKEN SCENARIO FOLDER
"""

import json
import pathlib
import subprocess
import sys
import time
import traceback
import uuid

import tator

MD5 = "d41d8cd98f00b204e9800998ecf8427e"
MANIFEST = """apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: count-}
spec:
  entrypoint: count
  templates:
  - name: count
    container: {image: none, command: ["true"]}
"""


def unique(name):
    return f"{name} {uuid.uuid4().hex[:8]}"


def refused(status, call, *arguments, **keywords):
    try:
        call(*arguments, **keywords)
    except tator.openapi.tator_openapi.exceptions.ApiException as error:
        assert error.status == status and "message" in json.loads(error.body), error
    else:
        raise AssertionError("was not refused")


def until(condition, secs=120):
    """Polls for what is true."""
    end = time.time() + secs
    while time.time() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError("waited in vain")


class Scene:
    def __init__(self, api):
        self.api = api
        organization = api.create_organization(organization_spec=tator.models.OrganizationSpec(name=unique("Institute"))).id
        self.organization = organization
        self.project = api.create_project(project_spec={"name": unique("Survey"), "summary": "s", "organization": organization}).id
        self.media_type = api.create_media_type(self.project, media_type_spec={
            "name": "Video", "dtype": "video", "attribute_types": [{"name": "Camera", "dtype": "string"}]}).id
        self.box_type = api.create_localization_type(self.project, localization_type_spec={
            "name": "Box", "dtype": "box", "media_types": [self.media_type], "attribute_types": [
                {"name": "Species", "dtype": "string"}, {"name": "Count", "dtype": "int", "default": 0}]}).id
        self.track_type = api.create_state_type(self.project, state_type_spec={
            "name": "Track", "association": "Localization", "media_types": [self.media_type],
            "attribute_types": [{"name": "Name", "dtype": "string"}]}).id
        self.media = [self.add_media(f"dive {n}.mp4") for n in range(2)]

    def add_media(self, name):
        answer = self.api.create_media_list(self.project, body={"type": self.media_type, "name": name, "md5": MD5, "section": "New"})
        return answer.id if isinstance(answer.id, int) else answer.id[0]

    def boxes(self, count, **more):
        specs = [{"media_id": self.media[0], "type": self.box_type, "frame": n, "x": 0.1, "y": 0.1, "width": 0.2, "height": 0.2,
                  "attributes": {"Species": "cod", "Count": n}, **more} for n in range(count)]
        made = []
        for answer in tator.util.chunked_create(self.api.create_localization_list, self.project, body=specs):
            made += answer.id
        return made


def whoami(api, folder):
    user = api.whoami()
    assert isinstance(user, tator.models.User) and user.username == "admin"
    assert [row.id for row in api.get_user_list(username="admin")] == [user.id]
    assert api.user_exists(username="nobody at all") is False


def types_are_models(api, folder):
    scene = Scene(api)
    row = api.get_localization_type(scene.box_type)
    assert isinstance(row, tator.models.LocalizationType) and row.dtype == "box" and row.media == [scene.media_type]
    assert {a.name: a.dtype for a in row.attribute_types} == {"Species": "string", "Count": "int"}
    api.create_attribute_type(scene.box_type, attribute_type_spec={
        "entity_type": "LocalizationType", "addition": {"name": "Length", "dtype": "float"}})
    api.update_attribute_type(scene.box_type, attribute_type_update={
        "entity_type": "LocalizationType", "current_name": "Length", "attribute_type_update": {"name": "Size", "dtype": "float"}})
    names = {a.name for a in api.get_localization_type(scene.box_type).attribute_types}
    assert names == {"Species", "Count", "Size"}
    assert isinstance(api.delete_attribute_type(scene.box_type, attribute_type_delete={
        "entity_type": "LocalizationType", "name": "Size"}), tator.models.MessageResponse)


def localizations(api, folder):
    scene = Scene(api)
    made = scene.boxes(1203)
    assert len(made) == 1203 == api.get_localization_count(scene.project)
    rows = api.get_localization_list(scene.project, attribute=["Species::cod"], attribute_gte=["Count::1200"])
    assert [row.id for row in rows] == made[1200:] and isinstance(rows[0], tator.models.Localization)
    assert [row.id for row in api.get_localization_list(scene.project, start=10, stop=13)] == made[10:13]
    assert [row.id for row in api.get_localization_list(scene.project, after=made[1200])] == made[1201:]
    update = {"attributes": {"Species": "eel"}, "in_place": 1}
    answer = api.update_localization_list(scene.project, localization_bulk_update=update, attribute_lt=["Count::3"])
    assert answer.message == "Successfully updated 3 localizations!"
    assert [row.id for row in api.get_localization_list(scene.project, attribute=["Species::eel"])] == made[:3]
    answer = api.update_localization(made[5], localization_update={"x": 0.5})
    assert "successfully updated!" in answer.message
    latest = api.get_localization_list_by_id(scene.project, localization_id_query={"ids": []}, attribute=["Count::5"])
    assert [(row.x, row.mark) for row in latest] == [(0.5, 1)] and latest[0].id != made[5]
    try:
        api.delete_localization_list(scene.project, count=7)
        raise AssertionError("deleted with a wrong count")
    except tator.openapi.tator_openapi.exceptions.ApiException as error:
        assert error.status == 400 and "Safety check failed - expected 7 but would delete 1203" in error.body
    api.delete_localization_list(scene.project)
    assert api.get_localization_count(scene.project) == 0


def tracks(api, folder):
    scene = Scene(api)
    members = scene.boxes(6)
    one, other = (api.create_state_list(scene.project, body={
        "type": scene.track_type, "media_ids": [scene.media[0]], "localization_ids": part, "attributes": {"Name": "n"}}).id[0]
        for part in (members[:3], members[3:]))
    row = api.get_state(one)
    assert isinstance(row, tator.models.State) and row.segments == [[0, 2]] and row.localizations == members[:3]
    assert f"Localizations from state {other} has been merged into {one}" in api.merge_states(
        one, state_merge_update={"merge_state_id": other}).message
    assert api.get_state(one).segments == [[0, 5]]
    assert "Deleted 2 localizations" in api.trim_state_end(one, state_trim_update={"frame": 3, "endpoint": "end"}).message
    assert api.get_state(one).segments == [[0, 3]]
    assert [row.id for row in api.get_state_list(scene.project, media_id=[scene.media[0]])] == [one]


def media(api, folder):
    scene = Scene(api)
    row = api.get_media(scene.media[0])
    assert isinstance(row, tator.models.Media) and row.name == "dive 0.mp4" and row.primary_section
    api.update_media(row.id, media_update={"attributes": {"Camera": "bow"}})
    assert [m.id for m in api.get_media_list(scene.project, attribute_contains=["Camera::BO"])] == [row.id]
    assert api.get_media_count(scene.project) == 2
    assert api.get_media_next(row.id).next == scene.media[1]
    assert api.get_media_prev(scene.media[1]).prev == row.id
    section = api.get_section_list(scene.project)[0]
    assert section.name == "New" and [m.id for m in api.get_media_list(scene.project, section=section.id)] == scene.media
    api.delete_media(row.id)
    assert api.get_media_count(scene.project) == 1


def files(api, folder):
    scene = Scene(api)
    kind = api.create_file_type(scene.project, file_type_spec={"name": "Report"}).id
    path = pathlib.Path(folder) / "report.txt"
    path.write_bytes(b"depth 12 m\n" * 1000)
    made = api.create_file(scene.project, file_spec={"name": "report.txt", "type": kind, "description": "d"}).id
    for progress, info in tator.util._upload_file._upload_file(api, scene.project, str(path), file_id=made, filename="report.txt"):
        pass
    api.update_file(made, file_update={"path": info.key})
    link = api.get_download_info(scene.project, download_info_spec={"keys": [info.key]})[0].url
    import requests
    assert requests.get(link, timeout=30).content == path.read_bytes()


def upload(api, folder):
    """A clip, from its file to its pictures."""
    scene = Scene(api)
    clip = next(pathlib.Path(folder).glob("*.mp4"))
    for progress in tator.util.upload_media(api, scene.media_type, str(clip), section="Uploads"):
        pass
    import time
    until = time.time() + 120
    while time.time() < until:
        rows = [row for row in api.get_media_list(scene.project) if row.name == clip.name]
        if rows and rows[0].num_frames:
            break
        time.sleep(0.3)
    row = rows[0]
    assert row.num_frames and row.media_files is not None
    picture = pathlib.Path(api.get_frame(row.id, frames=[3]))
    assert picture.stat().st_size > 100
    out = pathlib.Path(folder) / "copy.mp4"
    for progress in tator.util.download_media(api, row, str(out)):
        pass
    assert out.stat().st_size > 1000


def sections_versions_leaves(api, folder):
    scene = Scene(api)
    section = api.create_section(scene.project, section_spec={"name": "Deep", "path": "Deep"}).id
    api.update_section(section, section_update={"name": "Deeper"})
    assert isinstance(api.get_section(section), tator.models.Section) and api.get_section(section).name == "Deeper"
    version = api.create_version(scene.project, version_spec={"name": "Review", "bases": []}).id
    made = scene.boxes(2)
    answer = api.update_localization_list(scene.project, localization_bulk_update={"new_version": version})
    assert answer.message == "Successfully updated 2 localizations!"
    assert len(api.get_localization_list(scene.project, version=[version])) == 2
    assert made == [row.id for row in api.get_localization_list(scene.project, version=[api.get_localization(made[0]).version])]
    kind = api.create_leaf_type(scene.project, leaf_type_spec={"name": "Taxon"}).id
    top = api.create_leaf_list(scene.project, body={"name": "Fish", "type": kind}).id[0]
    api.create_leaf_list(scene.project, body=[{"name": name, "type": kind, "parent": top} for name in ("Cod", "Eel")])
    assert api.get_leaf_count(scene.project) == 3
    ancestor = api.get_leaf(top).path
    found = api.leaf_suggestion(project=scene.project, ancestor=ancestor, query="C")
    assert [row.value for row in found] == ["Cod"]


def attributes_change(api, folder):
    """A definition that is added, renamed, changed into another kind, replaced and taken away takes the values along."""
    scene = Scene(api)
    one, = scene.boxes(1)

    def change(name, update, call=api.update_attribute_type):
        return call(scene.box_type, attribute_type_update=tator.models.AttributeTypeUpdate(
            entity_type="LocalizationType", current_name=name, attribute_type_update=update)).message

    api.create_attribute_type(scene.box_type, attribute_type_spec=tator.models.AttributeTypeSpec(
        entity_type="LocalizationType", addition=tator.models.AttributeType(name="Depth", dtype="float", default=7.5)))
    assert api.get_localization(one).attributes == {"Species": "cod", "Count": 0, "Depth": 7.5}
    change("Species", {"name": "Taxon", "dtype": "enum", "choices": ["cod", "eel"]})
    change("Count", {"name": "Count", "dtype": "float"})
    assert api.get_localization(one).attributes == {"Taxon": "cod", "Count": 0, "Depth": 7.5}
    assert [row.id for row in api.get_localization_list(scene.project, attribute_lt=["Count::0.5"])] == [one]
    change("Depth", {"name": "Depth", "dtype": "float", "minimum": 0.0}, api.replace_attribute_type)
    depth = next(a for a in api.get_localization_type(scene.box_type).attribute_types if a.name == "Depth")
    assert (depth.minimum, depth.default, depth.order, depth.required) == (0.0, None, 0, False)
    refused(400, change, "Count", {"name": "Number", "dtype": "string"})
    api.delete_attribute_type(scene.box_type, attribute_type_delete={"entity_type": "LocalizationType", "name": "Depth"})
    assert api.get_localization(one).attributes == {"Taxon": "cod", "Count": 0}


def versions(api, folder):
    scene = Scene(api)
    base = api.get_version_list(scene.project)[0]
    layer = api.create_version(scene.project, version_spec=tator.models.VersionSpec(name="Review", description="d", bases=[base.id])).id
    row = api.get_version(layer)
    assert isinstance(row, tator.models.Version) and (row.name, row.number, row.bases, row.show_empty) == ("Review", 1, [base.id], True)
    replaced, kept = scene.boxes(2)
    child = api.create_localization_list(scene.project, body=[{
        "media_id": scene.media[0], "type": scene.box_type, "frame": 0, "x": 0.5, "y": 0.5, "width": 0.1, "height": 0.1,
        "version": layer, "parent": replaced}]).id[0]
    assert [row.id for row in api.get_localization_list(scene.project, version=[base.id, layer])] == [kept, child]
    assert len(api.get_localization_list(scene.project, version=[base.id, layer], merge=0)) == 3
    eid = api.get_localization(child).elemental_id
    api.update_localization_by_elemental_id(layer, eid, localization_update={"x": 0.25})
    row = api.get_localization_by_elemental_id(layer, eid)
    assert (row.x, row.mark) == (0.25, 1) and api.get_localization_by_elemental_id(layer, eid, mark=0).id == child
    api.delete_localization_by_elemental_id(layer, eid)
    assert [row.variant_deleted for row in api.get_localization_list(scene.project, version=[layer], show_deleted=1)] == [True]
    api.update_version(layer, version_update={"name": "Done", "show_empty": False})
    assert (api.get_version(layer).name, api.get_version(layer).show_empty) == ("Done", False)
    refused(400, api.delete_version, base.id)
    api.delete_version(layer)
    assert [row.id for row in api.get_version_list(scene.project)] == [base.id]


def clone(api, folder):
    """A project of everything, copied with the client's functions."""
    scene, util = Scene(api), tator.util
    made = scene.boxes(3)
    track = api.create_state_list(scene.project, body={
        "type": scene.track_type, "media_ids": [scene.media[0]], "localization_ids": made, "attributes": {"Name": "n"}}).id[0]
    there = api.create_project(project_spec={"name": unique("Copy"), "summary": "", "organization": scene.organization}).id
    media_types = {scene.media_type: util.clone_media_type(api, scene.media_type, there).id}
    box_types = {scene.box_type: util.clone_localization_type(api, scene.box_type, there, media_types).id}
    track_types = {scene.track_type: util.clone_state_type(api, scene.track_type, there, media_types).id}
    section = util.clone_section(api, api.get_section_list(scene.project)[0].id, there).id
    assert api.get_section(section).name == "New"
    versions = {api.get_version_list(scene.project)[0].id: api.get_version_list(there)[0].id}
    media, boxes, states = {}, {}, {}
    for _, _, _, part in util.clone_media_list(api, {"project": scene.project}, there):
        media |= part
    for _, _, _, part in util.clone_localization_list(api, {"project": scene.project}, there, versions, media, box_types):
        boxes |= part
    for _, _, _, part in util.clone_state_list(api, {"project": scene.project}, there, versions, media, boxes, track_types):
        states |= part
    row = api.get_state(states[track])
    assert row.localizations == [boxes[one] for one in made] and row.segments == [[0, 2]] and row.attributes == {"Name": "n"}
    assert [row.attributes["Count"] for row in api.get_localization_list(there)] == [0, 1, 2]
    assert api.get_cloned_media(scene.media[0]).ids == [media[scene.media[0]]]


def bookmarks_and_favorites(api, folder):
    scene = Scene(api)
    made = api.create_bookmark(scene.project, bookmark_spec=tator.models.BookmarkSpec(name="b", uri="/2")).id
    api.create_bookmark(scene.project, bookmark_spec={"name": "a", "uri": "/1"})
    assert [row.name for row in api.get_bookmark_list(scene.project)] == ["a", "b"]
    api.update_bookmark(made, bookmark_update={"name": "c", "uri": "/3"})
    row = api.get_bookmark(made)
    assert isinstance(row, tator.models.Bookmark) and (row.name, row.uri) == ("c", "/3")
    api.delete_bookmark(made)
    assert [row.name for row in api.get_bookmark_list(scene.project, name="a")] == ["a"]
    made = api.create_favorite(scene.project, favorite_spec=tator.models.FavoriteSpec(
        name="cod", type=scene.box_type, values={"Species": "cod"}, page=2, entity_type_name="Localization")).id
    row = api.get_favorite(made)
    assert isinstance(row, tator.models.Favorite) and (row.values, row.page, row.type) == ({"Species": "cod"}, 2, scene.box_type)
    api.update_favorite(made, favorite_update={"name": "eel"})
    assert [row.name for row in api.get_favorite_list(scene.project)] == ["eel"]
    api.delete_favorite(made)
    assert api.get_favorite_list(scene.project) == []


def people(api, folder):
    """Affiliations, groups and memberships of somebody else."""
    scene = Scene(api)
    other = api.get_user_list(username=json.loads((pathlib.Path(folder) / "somebody.json").read_text()))[0]
    made = api.create_affiliation(scene.organization, affiliation_spec={"user": other.id, "permission": "Member"}).id
    api.update_affiliation(made, affiliation_update={"permission": "Admin"})
    row = api.get_affiliation(made)
    assert isinstance(row, tator.models.Affiliation) and (row.permission, row.username) == ("Admin", other.username)
    group = api.create_group(scene.organization, group_spec={"name": "Divers", "initial_members": [other.id]}).id
    api.update_group(group, group_update_spec={"name": "Swimmers", "remove_members": [other.id]})
    assert (api.get_group(group).name, api.get_group(group).members) == ("Swimmers", [])
    made = api.create_membership(scene.project, membership_spec=tator.models.MembershipSpec(user=other.id, permission="View Only")).id
    refused(400, api.create_membership, scene.project, membership_spec={"user": other.id, "permission": "Can Edit"})
    version = api.get_version_list(scene.project)[0].id
    api.update_membership(made, membership_update={"permission": "Can Edit", "default_version": version})
    row = api.get_membership(made)
    assert isinstance(row, tator.models.Membership) and (row.permission, row.default_version, row.user) == ("Can Edit", version, other.id)
    assert sorted(one.permission for one in api.get_membership_list(scene.project)) == ["Can Edit", "Full Control"]
    api.delete_membership(made)
    assert len(api.get_membership_list(scene.project)) == 1


def leaves(api, folder):
    scene = Scene(api)
    kind = api.create_leaf_type(scene.project, leaf_type_spec={
        "name": "Taxon", "attribute_types": [{"name": "Rank", "dtype": "int"}, {"name": "alias", "dtype": "string"}]}).id
    top = api.create_leaf_list(scene.project, body=[tator.models.LeafSpec(name="Fish", type=kind, attributes={"Rank": 1})]).id[0]
    cod, eel = api.create_leaf_list(scene.project, body=[
        {"name": name, "type": kind, "parent": top, "attributes": {"Rank": 2}} for name in ("Cod", "Eel")]).id
    row = api.get_leaf(cod)
    assert isinstance(row, tator.models.Leaf) and (row.parent, row.attributes) == (top, {"Rank": 2})
    assert [one.id for one in api.get_leaf_list(scene.project, depth=3)] == [cod, eel]
    assert api.get_leaf_count_by_id(scene.project, leaf_id_query={"ids": [eel]}) == 1
    api.update_leaf_list(scene.project, leaf_bulk_update={"attributes": {"Rank": 3}}, attribute=["Rank::2"])
    assert [one.id for one in api.get_leaf_list(scene.project, attribute_gte=["Rank::3"])] == [cod, eel]
    api.update_leaf(cod, leaf_update={"name": "Haddock", "attributes": {"alias": "h"}})
    assert api.get_leaf(cod).name == "Haddock" and api.get_leaf(cod).path == row.path
    api.delete_leaf(top)
    assert api.get_leaf_count(scene.project) == 0


def sections(api, folder):
    scene = Scene(api)
    folder_ = api.create_section(scene.project, section_spec=tator.models.SectionSpec(name="Deep", path="A.Deep")).id
    api.update_media(scene.media[0], media_update={"primary_section": folder_})
    assert [row.id for row in api.get_media_list(scene.project, section=folder_)] == [scene.media[0]]
    search = api.create_section(scene.project, section_spec={"name": "S", "object_search": {
        "attribute": "$name", "operation": "icontains", "value": "dive 1"}}).id
    assert [row.id for row in api.get_media_list(scene.project, multi_section=[search])] == [scene.media[1]]
    playlist = api.create_section(scene.project, section_spec={"name": "P", "explicit_listing": True, "media": [scene.media[1]]}).id
    api.update_section(playlist, section_update={"media_add": [scene.media[0]], "media_del": [scene.media[1]]})
    assert api.get_section(playlist).media == [scene.media[0]]
    api.update_section_list(scene.project, match="A.*", section_bulk_update={"path_substitution": {"old": "A", "new": "B"}})
    assert [row.path for row in api.get_section_list(scene.project, descendants="B")] == ["B.Deep"]
    api.destroy_section_list_api(scene.project, name="deep")
    assert [row.name for row in api.get_section_list(scene.project)] == ["New", "P", "S"]
    assert api.get_media(scene.media[0]).primary_section is None


def images(api, folder):
    """A picture, from its file to its pixels and the crop of a box on it."""
    scene = Scene(api)
    kind = api.create_media_type(scene.project, media_type_spec={"name": "Image", "dtype": "image"}).id
    picture = next(pathlib.Path(folder).glob("*.png"))
    for progress, response in tator.util.upload_media(api, kind, str(picture), section="Stills"):
        pass
    row = until(lambda: (row := api.get_media(response.id if isinstance(response.id, int) else response.id[0])).width and row)
    assert row.media_files.image[0].resolution == [row.height, row.width] and row.media_files.thumbnail[0].resolution[1] == 256
    out = pathlib.Path(folder) / "copy.png"
    for progress in tator.util.download_media(api, row, str(out)):
        pass
    assert out.read_bytes() == picture.read_bytes()
    boxes = api.create_localization_type(scene.project, localization_type_spec={"name": "B", "dtype": "box", "media_types": [kind]}).id
    one = api.create_localization_list(scene.project, body={
        "media_id": row.id, "type": boxes, "frame": 0, "x": 0.25, "y": 0.25, "width": 0.5, "height": 0.5}).id[0]
    crop = pathlib.Path(api.get_localization_graphic(one)).read_bytes()
    assert crop[:8] == b"\x89PNG\r\n\x1a\n"
    size = [int.from_bytes(crop[at:at + 4], "big") for at in (16, 20)]
    assert all(abs(got - wanted / 2) <= 1 for got, wanted in zip(size, (row.width, row.height)))


def frames_and_clips(api, folder):
    """Frames, an animation, and a clip as a temporary file."""
    scene = Scene(api)
    clip = next(pathlib.Path(folder).glob("*.mp4"))
    for progress, response in tator.util.upload_media(api, scene.media_type, str(clip)):
        pass
    uid = response.id
    done = until(lambda: (one := api.get_transcode(uid)).job.status in ("succeeded", "failed") and one)
    assert done.job.status == "succeeded"
    row = api.get_media(done.job.media_ids[0])
    assert [[f.resolution[0] for f in row.media_files.streaming], len(row.media_files.archival)] == [[144, 240], 1]
    for options, start in (({"frames": [3]}, b"\x89PNG"), ({"frames": [0, 1, 2, 3], "tile": "2x2"}, b"\x89PNG"),
                           ({"frames": [1, 2], "animate": 2}, b"GIF8")):
        assert pathlib.Path(api.get_frame(row.id, **options)).read_bytes().startswith(start), options
    got = api.get_clip(row.id, frame_ranges=["10:20"], quality=240)
    assert isinstance(got, tator.models.VideoClip) and (got.segment_start_frames, got.segment_end_frames) == ([0], [24])
    out = pathlib.Path(folder) / "part.bin"
    for progress in tator.util.download_temporary_file(api, got.file, str(out)):
        pass
    assert out.read_bytes()[4:8] == b"ftyp"
    refused(400, api.get_clip, row.id, frame_ranges=["100000:100001"])


def jobs(api, folder):
    scene = Scene(api)
    manifest = pathlib.Path(folder) / "flow.yaml"
    manifest.write_text(MANIFEST)
    tator.util.register_algorithm(sys.argv[1], sys.argv[2], scene.project, str(manifest), "Count", 1, ["annotator-view"], "counts")
    algorithm, = api.get_algorithm_list(scene.project)
    assert isinstance(algorithm, tator.models.Algorithm) and (algorithm.name, algorithm.files_per_job) == ("Count", 1)
    response = api.create_job_list(scene.project, job_spec=tator.models.JobSpec(algorithm_name="Count", media_ids=scene.media))
    assert isinstance(response, tator.models.CreateListResponse) and len(response.id) == 2
    ended = [until(lambda: (job := api.get_job(uid)).status in ("Succeeded", "Failed", "Error") and job) for uid in response.id]
    assert [(job.status, job.media_ids) for job in ended] == [("Succeeded", [one]) for one in scene.media], ended
    gid = ended[0].gid
    assert {job.uid for job in api.get_job_list(scene.project, gid=gid)} == set(response.id)
    assert [job.uid for job in api.get_job_list(scene.project, media_id=[scene.media[1]])] == response.id[1:]
    assert api.delete_job(response.id[0]).message == f"Job with UID {response.id[0]} deleted!"
    refused(404, api.get_job, response.id[0])
    assert "Deleted 1 jobs" in api.delete_job_list(scene.project, gid=gid).message
    api.update_algorithm(algorithm.id, algorithm_update_spec=tator.models.AlgorithmUpdateSpec(description="more"))
    assert api.get_algorithm(algorithm.id).description == "more"
    api.delete_algorithm(algorithm.id)
    assert api.get_algorithm_list(scene.project) == []


def resumable(api, folder):
    """A file goes up in slices, breaks off in the middle, goes on, and is put together: it is known by its whole length."""
    from tator.util.resumable_upload import continue_resumable_upload

    scene = Scene(api)
    clip = next(pathlib.Path(folder).glob("*.ts"))
    frames = int(clip.stem.split("_")[-1])
    kind = api.create_media_type(scene.project, media_type_spec={
        "name": "Sliced", "dtype": "video", "archive_config": [{"name": "original", "encode": {"vcodec": "copy"}}],
        "streaming_config": [{"resolution": 144, "crf": 40, "vcodec": "h264", "preset": "ultrafast", "pixel_format": "yuv420p"}]}).id
    media = api.create_media_list(scene.project, body={"type": kind, "name": clip.name, "md5": MD5, "section": "Sliced"}).id
    size = -(-clip.stat().st_size // 4)

    class Broken(Exception):
        pass

    class Flaky:
        """The client, until its line breaks behind the second slice."""
        made = 0

        def __getattr__(self, name):
            return getattr(api, name)

        def create_video_file(self, *arguments, **keywords):
            if self.made == 2:
                raise Broken
            self.made += 1
            return api.create_video_file(*arguments, **keywords)

    try:
        continue_resumable_upload(Flaky(), media, str(clip), part_size=size)
        raise AssertionError("the line did not break")
    except Broken:
        pass
    slices = api.get_media(media).media_files.archival
    assert [one.codec for one in slices] == ["fragment"] * 2
    continue_resumable_upload(api, media, str(clip), part_size=size)
    assert [one.path for one in api.get_media(media).media_files.archival][:2] == [one.path for one in slices]
    assert len(api.get_media(media).media_files.archival) == 4
    # No slice was taken for the film: the first of them could be played.
    row = api.get_media(media)
    assert (row.num_frames, row.media_files.thumbnail) == (None, None)
    command = [sys.executable, "-m", "tator.util.import_resumable", "--host", sys.argv[1], "--token", sys.argv[2], str(media)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr[-3000:]
    row = until(lambda: (row := api.get_media(media)).num_frames and row)
    assert [len(row.media_files.archival), len(row.media_files.streaming)] == [1, 1]
    assert row.media_files.archival[0].size == clip.stat().st_size
    until(lambda: api.get_media(media).num_frames == frames)


S3 = {"endpoint_url": "http://127.0.0.1:9", "region_name": "r", "aws_access_key_id": "a", "aws_secret_access_key": "s"}
EVERY_DTYPE = [
    {"name": "Name", "dtype": "string", "description": "d", "order": 1, "required": False, "default": "n", "style": "long_string"},
    {"name": "Stage", "dtype": "enum", "choices": ["egg", "larva"], "labels": ["Egg", "Larva"], "default": "egg"},
    {"name": "Count", "dtype": "int", "minimum": 0, "maximum": 9, "default": 3}, {"name": "Length", "dtype": "float", "default": 0.5},
    {"name": "Sure", "dtype": "bool", "default": True}, {"name": "Seen", "dtype": "datetime"},
    {"name": "Where", "dtype": "geopos"}, {"name": "Near", "dtype": "float_array", "size": 2},
]
VALUES = {"Name": "x", "Stage": "larva", "Count": 4, "Length": 1.5, "Sure": False, "Seen": "2026-01-02T03:04:05.000Z", "Where": [1.0, 2.0],
          "Near": [0.5, 0.25]}
# What is no noun that one makes, reads, changes and takes away, or is tried by the other scenarios.
NOT_NOUNS = {
    "clone_media_list", "complete_upload", "create_attribute_type", "create_job_list", "create_obtain_auth_token", "create_user",
    "delete_announcement", "delete_attribute_type", "delete_job", "delete_job_list", "delete_transcode", "delete_transcode_list",
    "get_anonymous_gateway_schema", "get_change_log_list", "get_clip", "get_cloned_media", "get_download_info", "get_frame", "get_job",
    "get_job_list", "get_localization_graphic", "get_organization_upload_info", "get_permalink", "get_state_graphic", "get_transcode",
    "get_transcode_list", "get_transcode_list_by_id", "get_upload_info", "health_check", "health_check_full", "leaf_suggestion",
    "merge_states", "notify", "replace_attribute_type", "save_algorithm_manifest", "save_generic_file", "send_email", "transcode",
    "trim_state_end", "update_attribute_type", "user_exists", "whoami",
}


class Listening:
    """The client, remembering which operations were called."""

    def __init__(self, api):
        self.api, self.called = api, set()

    def __getattr__(self, name):
        self.called.add(name)
        return getattr(self.api, name)


class Grounds(Scene):
    """A project with everything that the nouns are made of."""

    def __init__(self, api, somebody):
        super().__init__(api)
        for kind in ("media", "localization", "state"):
            of = {"media": self.media_type, "localization": self.box_type, "state": self.track_type}[kind]
            for addition in EVERY_DTYPE:
                if (kind, addition["name"]) not in (("state", "Name"), ("localization", "Count")):
                    api.create_attribute_type(of, attribute_type_spec={"entity_type": f"{kind.capitalize()}Type", "addition": addition})
        self.somebody = somebody
        self.leaf_type = api.create_leaf_type(self.project, leaf_type_spec={"name": "Taxon", "attribute_types": EVERY_DTYPE}).id
        self.file_type = api.create_file_type(self.project, file_type_spec={"name": "Note", "attribute_types": EVERY_DTYPE}).id
        self.version = api.get_version_list(self.project)[0].id
        self.boxed = self.boxes(2)

    def link(self, content=b"hello"):
        import requests
        info = self.api.get_upload_info(self.project)
        requests.put(info.urls[0], data=content, timeout=30).raise_for_status()
        return self.api.get_download_info(self.project, download_info_spec={"keys": [info.key]})[0].url

    def manifest(self):
        spec = {"name": "m.yaml", "upload_url": self.link(MANIFEST.encode())}
        return self.api.save_algorithm_manifest(self.project, algorithm_manifest_spec=spec).url

    def page(self):
        return self.api.save_generic_file(self.project, generic_file_spec={"name": "a.html", "upload_url": self.link(b"<p>a</p>")}).url

    def nouns(self):
        """noun → (where it is listed; what it is made of; what is changed of it)."""
        project, organization, user = [self.project], [self.organization], self.api.whoami().id
        search = {"attribute": "$name", "operation": "iendswith", "value": "1.mp4", "inverse": True}
        box = {"media_id": self.media[0], "type": self.box_type, "frame": 0, "x": 0.1, "y": 0.1, "width": 0.2, "height": 0.2}
        named, types = {"name": "Other"}, {"media_types": [self.media_type], "attribute_types": EVERY_DTYPE, "description": "d"}
        cluster = {"name": unique("c"), "host": "h", "port": 1, "token": "t", "cert": "c"}
        template = {"name": unique("t"), "url": self.link(), "headers": [{"name": "a", "value": "b"}], "tparams": [{"name": "c", "value": "d"}]}
        page = {"name": "P", "html_file": self.page(), "description": "d", "categories": ["annotator-view"]}
        return {
            "organization": ([], {"name": unique("I"), "default_membership_permission": "Can Edit"}, named),
            "affiliation": (organization, {"user": self.somebody, "permission": "Member"}, {"permission": "Admin"}),
            "invitation": (organization, {"email": f"{uuid.uuid4().hex}@example.org", "permission": "Member"}, {"permission": "Admin"}),
            "group": (organization, {"name": "G", "initial_members": [user]}, {"name": "Other", "add_members": [self.somebody]}),
            "bucket": (organization, {"name": unique("b"), "store_type": "MINIO", "config": S3, "archive_sc": "STANDARD",
                                      "live_sc": "STANDARD"}, {"name": unique("b")}),
            "job_cluster": (organization, cluster, {**cluster, "host": "other"}),
            "hosted_template": (organization, template, {**template, "headers": []}),
            "project": ([], {"name": unique("P"), "summary": "s", "organization": self.organization, "attribute_types": EVERY_DTYPE},
                        {"summary": "other"}),
            "membership": (project, {"user": self.somebody, "permission": "View Only", "default_version": self.version},
                           {"permission": "Full Control"}),
            "version": (project, {"name": "V", "description": "d", "bases": [self.version], "show_empty": False}, named),
            "section": (project, {"name": "S", "path": "S", "dtype": "saved_search", "object_search": search, "related_search": {
                "method": "AND", "operations": [{"attribute": "$text", "operation": "matches", "value": "cod"}]}}, {
                "name": "Other", "object_search": {"attribute": "$text", "operation": "matches", "value": "dive"}, "related_search": search}),
            "bookmark": (project, {"name": "b", "uri": "/1"}, named),
            "favorite": (project, {"name": "f", "type": self.box_type, "values": VALUES, "page": 2, "entity_type_name": "Localization"}, named),
            "media_type": (project, {
                "name": "M", "dtype": "video", "attribute_types": EVERY_DTYPE, "default_volume": 20, "file_format": "mp4",
                "archive_config": [{"name": "a", "encode": {"vcodec": "hevc", "crf": 30}}], "overlay_config": {"mode": "datetime"},
                "streaming_config": [{"resolution": 144, "vcodec": "h264", "crf": 23, "preset": "fast"}], "visible": False}, named),
            "localization_type": (project, {"name": "L", "dtype": "poly", "color_map": {"default": [1, 2, 3]}, "line_width": 2, **types}, named),
            "state_type": (project, {"name": "S", "association": "Frame", "interpolation": "attr_style_range", **types}, named),
            "leaf_type": (project, {"name": "T", "attribute_types": EVERY_DTYPE}, named),
            "file_type": (project, {"name": "F", "attribute_types": EVERY_DTYPE}, named),
            "media": (project, {"type": self.media_type, "name": "a.mp4", "md5": MD5, "section": "New", "attributes": VALUES}, named),
            "localization": (project, {**box, "attributes": VALUES, "version": self.version, "parent": self.boxed[0]},
                             {"x": 0.3, "in_place": 1}),
            "state": (project, {"type": self.track_type, "media_ids": self.media[:1], "localization_ids": self.boxed, "version": self.version},
                      {"localization_ids_remove": self.boxed[:1], "in_place": 1}),
            "leaf": (project, {"type": self.leaf_type, "name": "cod", "attributes": VALUES}, named),
            "file": (project, {"type": self.file_type, "name": "n", "description": "d", "attributes": VALUES}, named),
            "temporary_file": (project, {"name": "n", "url": self.link(), "lookup": "l", "hours": 1}, None),
            "algorithm": (project, {"name": unique("A"), "user": user, "manifest": self.manifest(), "files_per_job": 2, "description": "d",
                                    "categories": ["annotator-view"], "parameters": [{"name": "a", "value": "b"}]}, {"description": "other"}),
            "applet": (project, page, {**page, "name": "Other"}),
            "row_protection": ([], {"project": self.project, "user": self.somebody, "permission": 255}, {"permission": 1}),
        }


def walk(api, noun, where, spec, change):
    """Makes one, reads it alone and in its list, changes it, takes it away."""
    def named(verb, ending=""):
        return getattr(api, f"{verb}_{noun}{ending}", None)

    model = getattr(tator.models, "".join(word.capitalize() for word in noun.split("_")))
    create = named("register") if noun in ("algorithm", "applet") else named(
        "create", "_list" if noun in ("media", "localization", "state", "leaf") else "")
    made = create(*where, spec).id
    made = made[0] if isinstance(made, list) else made
    one = named("get")(made)
    only = {"project": spec["project"]} if noun == "row_protection" else {}
    rows = named("get", "_list")(*where, **only)
    listed = next(row for row in rows if row.id == made)
    assert isinstance(one, model) and isinstance(listed, model), (type(one), type(listed))
    assert one.to_dict() == listed.to_dict(), (one, listed)
    if change is not None:
        named("update")(made, change)
        after = named("get")(made)
        said = {key: value for key, value in change.items() if isinstance(value, (str, int)) and hasattr(after, key)}
        assert {key: getattr(after, key) for key in said} == said, (after, change)
    named("delete")(made)
    if noun in ("localization", "state"):
        assert made not in [row.id for row in named("get", "_list")(*where)]
    else:
        refused(404, named("get"), made)


def in_bulk(api, scene, noun):
    """Lists by body, counts, changes and deletion of many."""
    def named(verb, ending=""):
        return getattr(api, f"{verb}_{noun}{ending}")

    rows = named("get", "_list")(scene.project)
    assert rows and [row.to_dict() for row in named("get", "_list_by_id")(scene.project, {})] == [row.to_dict() for row in rows]
    assert named("get", "_count")(scene.project) == named("get", "_count_by_id")(scene.project, {}) == len(rows)
    named("update", "_list")(scene.project, {"attributes": {"Count": 7}}, type=rows[0].type)
    assert {row.attributes["Count"] for row in named("get", "_list")(scene.project, type=rows[0].type)} == {7}
    named("delete", "_list")(scene.project, type=rows[0].type)
    assert named("get", "_count")(scene.project, type=rows[0].type) == 0


def by_elemental_id(api, scene):
    box = scene.boxes(1)[0]
    track = api.create_state_list(scene.project, {"type": scene.track_type, "media_ids": scene.media[:1], "localization_ids": [box]}).id[0]
    for noun, made, change in (("localization", box, {"x": 0.5}), ("state", track, {"attributes": {"Name": "other"}})):
        row = getattr(api, f"get_{noun}")(made)
        where = (row.version, row.elemental_id)
        assert getattr(api, f"get_{noun}_by_elemental_id")(*where).to_dict() == row.to_dict()
        getattr(api, f"update_{noun}_by_elemental_id")(*where, change)
        assert getattr(api, f"get_{noun}_by_elemental_id")(*where).mark == row.mark + 1
        getattr(api, f"delete_{noun}_by_elemental_id")(*where)
        assert getattr(api, f"get_{noun}_by_elemental_id")(*where).variant_deleted is True


def records(api, scene):
    """The records of a media's files."""
    media = scene.media[1]
    size = {"size": 9, "bit_rate": 8}
    for noun, roles, spec in (
            ("video", ["streaming", "archival"], {"codec": "h264", "resolution": [7, 9], "codec_description": "d", "codec_mime": "video/mp4", **size}),
            ("image", ["image", "thumbnail", "thumbnail_gif"], {"resolution": [7, 9], "mime": "image/png", "size": 3}),
            ("audio", ["audio"], {"codec": "aac", "codec_description": "d", **size}), ("auxiliary", ["attachment"], {"name": "n", "size": 2})):
        for role in roles:
            spec = {**spec, "path": f"{scene.organization}/{scene.project}/{media}/{role}.bin"}
            if role == "streaming":
                spec["segment_info"] = spec["path"] + ".json"
            what = {"role": role}
            getattr(api, f"create_{noun}_file")(media, **{f"{noun}{'_file' * (noun == 'auxiliary')}_definition": spec}, **what)
            one = getattr(api, f"get_{noun}_file")(media, index=0, **what)
            assert [one.to_dict()] == [row.to_dict() for row in getattr(api, f"get_{noun}_file_list")(media, **what)]
            assert {key: getattr(one, key) for key in spec} == spec
            getattr(api, f"update_{noun}_file")(media, index=0, **{
                f"{noun}{'_file' * (noun == 'auxiliary')}_definition": {**spec, "size": 77}}, **what)
            assert getattr(api, f"get_{noun}_file")(media, index=0, **what).size == 77
        row = api.get_media(media)
        for role in roles:
            assert len(getattr(row.media_files, role)) == 1
            getattr(api, f"delete_{noun}_file")(media, index=0, role=role)


def the_rest(api, scene):
    """Lists, neighbours and settings that only some nouns have."""
    user = api.get_user(api.whoami().id)
    assert user.to_dict() in [row.to_dict() for row in api.get_user_list(username=user.username)]
    api.update_user(user.id, {"first_name": "Ada"})
    assert api.get_user(user.id).first_name == "Ada"
    assert isinstance(api.get_announcement_list(), list)
    one, other = scene.media
    assert (api.get_media_next(one).next, api.get_media_prev(other).prev) == (other, one)
    stats = api.get_media_stats(scene.project)
    assert isinstance(stats, tator.models.MediaStats) and stats.count == 2
    assert (one, scene.project) in [(row.media, row.project) for row in api.get_media_by_name("dive 0.mp4")]
    api.create_temporary_file(scene.project, {"name": "n", "url": scene.link(), "lookup": "l", "hours": 1})
    api.delete_temporary_file_list(scene.project)
    assert api.get_temporary_file_list(scene.project) == []
    api.create_row_protection({"project": scene.project, "user": scene.somebody, "permission": 255})
    api.destroy_row_protection_list_api(project=scene.project)
    assert not [row for row in api.get_row_protection_list(project=scene.project) if row.user == scene.somebody]
    api.create_section(scene.project, {"name": "Leg", "path": "Dive.Leg"})
    api.update_section_list(scene.project, {"path_substitution": {"old": "Dive", "new": "Cruise"}}, match="Dive.*")
    assert [row.path for row in api.get_section_list(scene.project, match="Cruise.*")] == ["Cruise.Leg"]
    api.destroy_section_list_api(scene.project, match="Cruise.*")
    assert api.get_section_list(scene.project, match="Cruise.*") == []


def every_noun(api, folder):
    """Whatever the client knows to make, read, list, change and take away. It checks what it reads."""
    somebody = api.get_user_list(username=json.loads((pathlib.Path(folder) / "somebody.json").read_text()))[0].id
    api = Listening(api)
    scene = Grounds(api, somebody)
    wrong = {}

    def attempt(name, call, *arguments):
        try:
            call(*arguments)
        except Exception:
            wrong[name] = traceback.format_exc(limit=-3)

    for noun, made_of in scene.nouns().items():
        attempt(noun, walk, api, noun, *made_of)
    attempt("files", records, api, scene)
    attempt("by elemental id", by_elemental_id, api, scene)
    attempt("the rest", the_rest, api, scene)
    api.create_leaf_list(scene.project, {"type": scene.leaf_type, "name": "cod"})
    api.create_state_list(scene.project, {"type": scene.track_type, "media_ids": scene.media[:1], "localization_ids": scene.boxes(2)})
    for noun in ("state", "localization", "leaf", "media"):
        attempt(f"many of {noun}", in_bulk, api, scene, noun)
    assert not wrong, "\n".join(f"{name}: {text}" for name, text in wrong.items())
    known = {name for name in dir(tator.openapi.tator_openapi.TatorApi) if not name.startswith("_") and not name.endswith("_with_http_info")}
    assert known - api.called == NOT_NOUNS - api.called, (known - api.called) ^ (NOT_NOUNS - api.called)


def errors(api, folder):
    scene = Scene(api)
    ApiException = tator.openapi.tator_openapi.exceptions.ApiException
    for call, status in ((lambda: api.get_media(2_000_000_000), 404),
                         (lambda: api.create_localization_list(scene.project, body={"media_id": 1}), 400),
                         (lambda: tator.get_api(sys.argv[1], "0" * 40).whoami(), 400)):
        try:
            call()
            raise AssertionError("was not refused")
        except ApiException as error:
            assert error.status == status and "message" in json.loads(error.body), error


if __name__ == "__main__":
    host, token, scenario, folder = sys.argv[1:]
    globals()[scenario](tator.get_api(host, token), folder)
