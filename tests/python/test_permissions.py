"""Who may do what: every level against the core operations, and that a refusal changes nothing."""

import pytest
import tator
from support import MD5, Scene, add_leaf_type, add_state_type, add_video, box, refused, unique
from tator.exceptions import ApiException

LEVELS = ["viewer", "editor", "transferrer", "executor", "owner"]
DENIED = "You do not have permission to perform this action."


class Ground(Scene):
    """A scene with one of everything that an operation may touch; `again()` makes a fresh one where it is used up."""

    def __init__(self, api, project):
        super().__init__(api, project)
        self.track_type = add_state_type(api, project, [self.video_type], "Localization")
        self.leaf_type = add_leaf_type(api, project)
        self.file_type = api.create_file_type(project, file_type_spec={"name": "file"}).id

    def one_box(self):
        return self.add({})[0]

    def track(self):
        spec = {"type": self.track_type, "media_ids": [self.video], "localization_ids": self.add({"frame": 1}, {"frame": 2})}
        return self.api.create_state_list(self.project, body=spec).id[0]

    def section(self):
        return self.api.create_section(self.project, section_spec={"name": unique("Section")}).id

    def version(self):
        return self.api.create_version(self.project, version_spec={"name": unique("Layer")}).id

    def leaf(self):
        return self.api.create_leaf_list(self.project, body={"name": unique("Leaf"), "type": self.leaf_type}).id[0]

    def file(self):
        return self.api.create_file(self.project, file_spec={"name": "notes", "type": self.file_type}).id

    def video_(self):
        return add_video(self.api, self.project, self.video_type)

    def attribute(self):
        name = unique("Attribute").replace("-", "_")
        self.api.create_attribute_type(self.box_type, attribute_type_spec={
            "entity_type": "LocalizationType", "addition": {"name": name, "dtype": "int"}})
        return name


# name → (least level, call); the call gets the person's client and the ground.
OPERATIONS = {
    "read project": ("viewer", lambda a, g: a.get_project(g.project)),
    "read members": ("viewer", lambda a, g: a.get_membership_list(g.project)),
    "read versions": ("viewer", lambda a, g: a.get_version_list(g.project)),
    "read types": ("viewer", lambda a, g: a.get_localization_type_list(g.project)),
    "read media": ("viewer", lambda a, g: a.get_media_list(g.project)),
    "read one media": ("viewer", lambda a, g: a.get_media(g.video)),
    "count media": ("viewer", lambda a, g: a.get_media_count(g.project)),
    "ask media": ("viewer", lambda a, g: a.get_media_list_by_id(g.project, media_id_query={})),
    "read boxes": ("viewer", lambda a, g: a.get_localization_list(g.project)),
    "ask boxes": ("viewer", lambda a, g: a.get_localization_list_by_id(g.project, localization_id_query={})),
    "read states": ("viewer", lambda a, g: a.get_state_list(g.project)),
    "read leaves": ("viewer", lambda a, g: a.get_leaf_list(g.project)),
    "read files": ("viewer", lambda a, g: a.get_file_list(g.project)),
    "read changes": ("viewer", lambda a, g: a.get_change_log_list(g.project, entity_type="media")),
    "upload info": ("viewer", lambda a, g: a.get_upload_info(g.project)),
    "add box": ("editor", lambda a, g: a.create_localization_list(g.project, body=box(g.video, g.box_type))),
    "change box": ("editor", lambda a, g: a.update_localization(g.one_box(), localization_update={"x": 0.0})),
    "delete box": ("editor", lambda a, g: a.delete_localization(g.one_box())),
    "change boxes": ("editor", lambda a, g: a.update_localization_list(
        g.project, localization_bulk_update={"attributes": {"Count": 1}, "in_place": 1})),
    "delete boxes": ("editor", lambda a, g: a.delete_localization_list(
        g.project, localization_bulk_delete={"ids": [g.one_box()]})),
    "add state": ("editor", lambda a, g: a.create_state_list(g.project, body={"type": g.track_type, "media_ids": [g.video]})),
    "change state": ("editor", lambda a, g: a.update_state(g.track(), state_update={"localization_ids_add": []})),
    "delete state": ("editor", lambda a, g: a.delete_state(g.track())),
    "merge states": ("editor", lambda a, g: a.merge_states(g.track(), state_merge_update={"merge_state_id": g.track()})),
    "trim state": ("editor", lambda a, g: a.trim_state_end(g.track(), state_trim_update={"frame": 1, "endpoint": "end"})),
    "add section": ("editor", lambda a, g: a.create_section(g.project, section_spec={"name": unique("S")})),
    "change section": ("editor", lambda a, g: a.update_section(g.section(), section_update={"visible": False})),
    "delete section": ("editor", lambda a, g: a.delete_section(g.section())),
    "add version": ("editor", lambda a, g: a.create_version(g.project, version_spec={"name": unique("V")})),
    "change version": ("editor", lambda a, g: a.update_version(g.version(), version_update={"description": "d"})),
    "delete version": ("editor", lambda a, g: a.delete_version(g.version())),
    "add bookmark": ("editor", lambda a, g: a.create_bookmark(g.project, bookmark_spec={"name": "b", "uri": "/"})),
    "add favorite": ("editor", lambda a, g: a.create_favorite(g.project, favorite_spec={
        "name": "f", "type": g.box_type, "values": {}, "entity_type_name": "Localization"})),
    "change media": ("editor", lambda a, g: a.update_media(g.video, media_update={"attributes": {"Camera": "bow"}})),
    "change medias": ("editor", lambda a, g: a.update_media_list(g.project, media_bulk_update={"attributes": {"Camera": "b"}})),
    "delete media": ("editor", lambda a, g: a.delete_media(g.video_())),
    "add media": ("transferrer", lambda a, g: a.create_media_list(
        g.project, body={"type": g.video_type, "name": "x.mp4", "md5": MD5})),
    "download info": ("transferrer", lambda a, g: a.get_download_info(g.project, download_info_spec={"keys": []})),
    "add file": ("executor", lambda a, g: a.create_file(g.project, file_spec={"name": "n", "type": g.file_type})),
    "change file": ("executor", lambda a, g: a.update_file(g.file(), file_update={"description": "d"})),
    "delete file": ("executor", lambda a, g: a.delete_file(g.file())),
    "add media type": ("owner", lambda a, g: a.create_media_type(g.project, media_type_spec={"name": unique("m"), "dtype": "video"})),
    "change media type": ("owner", lambda a, g: a.update_media_type(g.video_type, media_type_update={"description": "d"})),
    "add box type": ("owner", lambda a, g: a.create_localization_type(g.project, localization_type_spec={
        "name": unique("b"), "dtype": "box", "media_types": [g.video_type]})),
    "change box type": ("owner", lambda a, g: a.update_localization_type(g.box_type, localization_type_update={"description": "d"})),
    "add state type": ("owner", lambda a, g: a.create_state_type(g.project, state_type_spec={
        "name": unique("s"), "association": "Frame", "media_types": [g.video_type]})),
    "add leaf type": ("owner", lambda a, g: a.create_leaf_type(g.project, leaf_type_spec={"name": unique("l")})),
    "add file type": ("owner", lambda a, g: a.create_file_type(g.project, file_type_spec={"name": unique("f")})),
    "add attribute": ("owner", lambda a, g: a.create_attribute_type(g.box_type, attribute_type_spec={
        "entity_type": "LocalizationType", "addition": {"name": unique("a"), "dtype": "int"}})),
    "rename attribute": ("owner", lambda a, g: a.update_attribute_type(g.box_type, attribute_type_update={
        "entity_type": "LocalizationType", "current_name": g.attribute(), "attribute_type_update": {"name": unique("r")}})),
    "delete attribute": ("owner", lambda a, g: a.delete_attribute_type(g.box_type, attribute_type_delete={
        "entity_type": "LocalizationType", "name": g.attribute()})),
    "add leaf": ("owner", lambda a, g: a.create_leaf_list(g.project, body={"name": unique("l"), "type": g.leaf_type})),
    "change leaf": ("owner", lambda a, g: a.update_leaf(g.leaf(), leaf_update={"name": unique("l")})),
    "delete leaf": ("owner", lambda a, g: a.delete_leaf(g.leaf())),
    "change project": ("owner", lambda a, g: a.update_project(g.project, project_update={"summary": "s"})),
    "change member": ("owner", lambda a, g: a.update_membership(
        a.get_membership_list(g.project)[0].id, membership_update={"permission": "Full Control"})),
    "author override": ("owner", lambda a, g: a.create_localization_list(g.project, body=box(
        g.video, g.box_type, user_elemental_id=g.api.whoami().elemental_id))),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_each_level(admin, station, members, project, name):
    least, call = OPERATIONS[name]
    ground = Ground(admin, project)
    outcome = {}
    for level in LEVELS:
        try:
            call(getattr(members, level).api, ground)
            outcome[level] = 200
        except ApiException as error:
            outcome[level] = error.status
    allowed = LEVELS[LEVELS.index(least):]
    assert outcome == {level: 200 if level in allowed else 403 for level in LEVELS}
    assert refused(403, call, members.stranger.api, ground)["message"] == DENIED
    anonymous = refused(400, call, tator.get_api(station.url), ground)
    assert anonymous["message"] == "Authentication credentials were not provided."


def test_a_refused_write_changes_nothing(admin, members, project):
    ground = Ground(admin, project)
    one = ground.one_box()
    refused(403, members.viewer.api.update_localization, one, localization_update={"x": 0.5})
    refused(403, members.viewer.api.delete_localization, one)
    refused(403, members.stranger.api.delete_localization_list, project)
    assert [(row.id, row.x) for row in ground.list()] == [(one, 0.1)]


def test_no_way_into_another_project_by_id(admin, members, project, organization):
    mine = Ground(admin, project)
    elsewhere = admin.create_project(project_spec={"name": unique("Elsewhere"), "organization": organization}).id
    theirs = Ground(admin, elsewhere)
    owner = members.owner.api  # of `project` only
    for call in (lambda: owner.get_localization(theirs.one_box()), lambda: owner.get_media(theirs.video),
                 lambda: owner.update_media(theirs.video, media_update={"name": "mine now"}),
                 lambda: owner.get_state(theirs.track()), lambda: owner.get_version(theirs.version()),
                 lambda: owner.get_localization_type(theirs.box_type)):
        refused(403, call)
    refused(400, owner.create_localization_list, project, body=box(theirs.video, mine.box_type))
    refused(400, owner.create_localization_list, project, body=box(mine.video, theirs.box_type))
    refused(400, owner.create_localization_list, project, body=box(mine.video, mine.box_type, version=theirs.version()))
    assert mine.list() == []
    body = {"ids": [theirs.one_box()], "attributes": {"Count": 7}, "in_place": 1}
    owner.update_localization_list(project, localization_bulk_update=body)
    assert [row.attributes.get("Count") for row in theirs.list() if row.id == body["ids"][0]] == [None]


def test_author_override(admin, members, project):
    ground = Ground(admin, project)
    editor = members.editor
    eid = editor.api.whoami().elemental_id
    made, = ground.add({"user_elemental_id": eid})
    row = admin.get_localization(made)
    assert (row.created_by, row.user) == (editor.id, editor.id)
    refused(404, ground.add, {"user_elemental_id": "00000000-0000-4000-8000-000000000000"})


def test_leaving_takes_the_rights_away_at_once(admin, members, project):
    row = next(m for m in admin.get_membership_list(project) if m.user == members.owner.id)
    members.owner.api.update_project(project, project_update={"summary": "still here"})
    admin.delete_membership(row.id)
    refused(403, members.owner.api.update_project, project, project_update={"summary": "gone"})
    assert admin.get_project(project).summary == "still here"
