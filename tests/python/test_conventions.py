"""What holds for every noun alike: keys that are always there, times, elemental ids, lengths of texts, reserved names."""

import csv
import io
import json
import re
import uuid

import pytest
from support import MD5, Scene, add_leaf_type, add_state_type, box, refused, unique
from test_role_matrix import Ground

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
# The keys of a row, whether or not they say anything: noun → (path of its list, keys).
ROWS = {
    "Organization": ("Organizations", "id permission name default_membership_permission thumb effective_permission"),
    "Affiliation": ("Affiliations/{organization}", "id user_id username first_name last_name email permission organization_id"),
    "Invitation": ("Invitations/{organization}", "id organization organization_id created_by created_by_id created_username "
                   "created_datetime status registration_token email permission"),
    "Group": ("Groups/{organization}", "id name organization organization__id members"),
    "Bucket": ("Buckets/{organization}", "id organization endpoint_url name archive_sc live_sc store_type external_host "
               "effective_permission"),
    "JobCluster": ("JobClusters/{organization}", "id organization effective_permission name host port token cert"),
    "HostedTemplate": ("HostedTemplates/{organization}", "id organization effective_permission name url tparams"),
    "Project": ("Projects", "id name summary organization enable_downloads bucket upload_bucket backup_bucket elemental_id "
                "effective_permission thumb created num_files size duration usernames permission attribute_types extended_info"),
    "Membership": ("Memberships/{project}", "id project user username first_name last_name email permission default_version"),
    "Version": ("Versions/{project}", "id name description show_empty bases elemental_id number project created_by "
                "effective_permission"),
    "Section": ("Sections/{project}", "id project name path dtype tator_user_sections object_search related_search visible "
                "elemental_id attributes explicit_listing created_datetime created_by media master_section"),
    "Bookmark": ("Bookmarks/{project}", "id project user name uri"),
    "Favorite": ("Favorites/{project}", "id user type name values page entity_type_name project localization_type_id state_type_id"),
    "MediaType": ("MediaTypes/{project}", "id project name description dtype file_format default_volume attribute_types "
                  "archive_config streaming_config overlay_config visible default_box default_line default_dot elemental_id "
                  "effective_permission extended_info"),
    "LocalizationType": ("LocalizationTypes/{project}", "id project media name description dtype color_map line_width visible "
                         "drawable grouping_default attribute_types elemental_id effective_permission extended_info"),
    "StateType": ("StateTypes/{project}", "id project dtype media name description association interpolation visible "
                  "grouping_default attribute_types delete_child_localizations default_localization elemental_id "
                  "effective_permission extended_info"),
    "LeafType": ("LeafTypes/{project}", "id project dtype name description attribute_types elemental_id visible extended_info"),
    "FileType": ("FileTypes/{project}", "id project name description elemental_id attribute_types"),
    "Media": ("Medias/{project}", "name media_files last_edit_start last_edit_end attributes elemental_id primary_section id "
              "project type created_datetime created_by modified_datetime modified_by md5 num_frames fps codec width height "
              "summary_level gid uid archive_state archive_status_date effective_permission master_section"),
    "Localization": ("Localizations/{project}", "id project type media thumbnail_image version attributes created_by "
                     "created_datetime modified_datetime modified_by user variant_deleted effective_permission x y width height "
                     "u v points frame parent elemental_id mark master_section"),
    "State": ("States/{project}", "id type media localizations segments attributes created_datetime modified_datetime "
              "modified_by created_by variant_deleted effective_permission version frame parent elemental_id mark master_section"),
    "Leaf": ("Leaves/{project}", "id type project path name parent attributes"),
    "File": ("Files/{project}", "id project created_datetime created_by modified_datetime modified_by path name description "
             "attributes elemental_id type"),
    "TemporaryFile": ("TemporaryFiles/{project}", "id project user path created_datetime eol_datetime name lookup"),
    "Algorithm": ("Algorithms/{project}", "id project rendered name user description manifest cluster files_per_job categories "
                  "parameters template tparams extended_info"),
    "Applet": ("Applets/{project}", "id project rendered name html_file description categories template tparams extended_info"),
    "Recording": ("Recordings/{project}", "id project media name url feed type state_type text_attribute status created_by "
                  "created_datetime stopped_datetime start_utc duration num_segments num_lost size num_events gaps parts"),
}


@pytest.fixture
def ground(admin, people):
    return Ground(admin, people)


@pytest.mark.parametrize("noun", ROWS)
def test_every_key_is_there(station, ground, noun):
    """In the row alone, and in the list; what a key says may be null."""
    made = ground.thing(noun)
    path, keys = ROWS[noun]
    path = path.format(project=ground.project, organization=ground.organization)
    one = station.http("GET", f"/rest/{noun}/{made}", station.admin_token).json()
    listed = next(row for row in station.http("GET", f"/rest/{path}", station.admin_token).json() if row["id"] == made)
    for row in (one, listed):
        assert set(keys.split()) - set(row) == set()
        assert row.get("effective_permission") in (0, None)
        for key in row:
            if key.endswith("_datetime") and row[key] is not None and noun != "TemporaryFile":
                assert re.fullmatch(TIME, row[key]), (key, row[key])
    assert {key: one[key] for key in keys.split()} == {key: listed[key] for key in keys.split()}


@pytest.mark.parametrize("noun", ["Project", "Version", "Section", "MediaType", "LocalizationType", "StateType", "LeafType", "FileType",
                                  "Media", "Localization", "State", "File"])
def test_elemental_ids(station, ground, noun):
    """Made up unless chosen, changed at will, and nothing but a UUID."""
    made = ground.thing(noun)
    path = f"/rest/{noun}/{made}"
    row = station.http("GET", path, station.admin_token).json()
    assert str(uuid.UUID(row["elemental_id"])) == row["elemental_id"]
    other = str(uuid.uuid4())
    in_place = {"in_place": 1} if noun in ("Localization", "State") else {}
    answer = station.http("PATCH", path, station.admin_token, json={"elemental_id": other, **in_place})
    assert answer.status_code == 200, answer.text
    assert station.http("GET", path, station.admin_token).json()["elemental_id"] == other
    answer = station.http("PATCH", path, station.admin_token, json={"elemental_id": "no uuid", **in_place})
    assert answer.status_code == 400, answer.text
    assert station.http("GET", path, station.admin_token).json()["elemental_id"] == other


CHOSEN = {
    "Versions": lambda g: {}, "Sections": lambda g: {}, "MediaTypes": lambda g: {"dtype": "video"},
    "LocalizationTypes": lambda g: {"dtype": "box", "media_types": [g.video_type]},
    "StateTypes": lambda g: {"association": "Frame", "media_types": [g.video_type]}, "LeafTypes": lambda g: {},
    "FileTypes": lambda g: {}, "Medias": lambda g: {"type": g.video_type, "md5": MD5}, "Files": lambda g: {"type": g.file_type()},
    "Localizations": lambda g: box(g.video, g.box_type),
    "States": lambda g: {"type": add_state_type(g.api, g.project, [g.video_type], "Media"), "media_ids": [g.video]},
}


@pytest.mark.parametrize("path", CHOSEN)
def test_elemental_ids_are_chosen_at_creation(station, ground, path):
    spec = {"name": unique("n"), **CHOSEN[path](ground)}
    where = f"/rest/{path}/{ground.project}"
    answer = station.http("POST", where, station.admin_token, json={**spec, "elemental_id": "no uuid"})
    assert answer.status_code == 400, answer.text
    wanted = str(uuid.uuid4())
    answer = station.http("POST", where, station.admin_token, json={**spec, "elemental_id": wanted.upper()})
    assert answer.status_code == 201, answer.text
    rows = station.http("GET", where, station.admin_token).json()
    assert [row["elemental_id"] for row in rows].count(wanted) == 1


# path of the list, what else a spec needs, and how long texts may be
LENGTHS = [
    ("Organizations", lambda g: {"name": "n"}, {"name": 128}),
    ("Projects", lambda g: {"name": "n", "organization": g.organization}, {"name": 128}),
    ("Versions/{project}", lambda g: {"name": "n"}, {"name": 128, "description": 1024}),
    ("Sections/{project}", lambda g: {"name": "n"}, {"name": 128}),
    ("Bookmarks/{project}", lambda g: {"name": "n", "uri": "/"}, {"name": 128, "uri": 1024}),
    ("Favorites/{project}", lambda g: {"name": "n", "type": g.box_type, "values": {}, "entity_type_name": "Localization"}, {"name": 128}),
    ("MediaTypes/{project}", lambda g: {"name": "n", "dtype": "video"}, {"name": 64, "description": 256, "file_format": 4}),
    ("LocalizationTypes/{project}", lambda g: {"name": "n", "dtype": "box", "media_types": [g.video_type]},
     {"name": 64, "description": 256}),
    ("StateTypes/{project}", lambda g: {"name": "n", "association": "Media", "media_types": [g.video_type]},
     {"name": 64, "description": 256}),
    ("LeafTypes/{project}", lambda g: {"name": "n"}, {"name": 64, "description": 256}),
    ("FileTypes/{project}", lambda g: {"name": "n"}, {"name": 64, "description": 256}),
    ("Medias/{project}", lambda g: {"name": "n", "type": g.video_type, "md5": MD5}, {"name": 256}),
    ("Leaves/{project}", lambda g: {"name": "n", "type": add_leaf_type(g.api, g.project)}, {"name": 255}),
    ("Files/{project}", lambda g: {"name": "n", "type": g.file_type()}, {"name": 128, "description": 1024}),
]


@pytest.mark.parametrize("path, spec, lengths", LENGTHS, ids=[path.split("/")[0] for path, _, _ in LENGTHS])
def test_texts_are_as_long_as_they_may_be(station, ground, path, spec, lengths):
    where = "/rest/" + path.format(project=ground.project)
    spec = spec(ground)
    for key, length in lengths.items():
        # Names of projects and organizations are taken once: each text is another one.
        text = (uuid.uuid4().hex * 40)[:length]
        answer = station.http("POST", where, station.admin_token, json={**spec, "name": uuid.uuid4().hex, key: text})
        assert answer.status_code == 201, (key, answer.text)
        answer = station.http("POST", where, station.admin_token, json={**spec, "name": uuid.uuid4().hex, key: text + "x"})
        assert answer.status_code == 400, (key, answer.text)


@pytest.mark.parametrize("path", ["MediaTypes", "LocalizationTypes", "StateTypes", "LeafTypes", "FileTypes"])
def test_no_type_is_called_filename(station, ground, path):
    answer = station.http("POST", f"/rest/{path}/{ground.project}", station.admin_token, json={**CHOSEN[path](ground), "name": "filename"})
    assert answer.status_code == 400, answer.text


def test_lists_have_their_order(station, admin, ground):
    """By name: types of media, boxes, tracks and leaves, sections, bookmarks. By id: types of files, files, favorites, leaves."""
    project = ground.project
    for name in ("b", "c", "a"):
        for path in ("MediaTypes", "LocalizationTypes", "StateTypes", "LeafTypes", "FileTypes", "Sections", "Files"):
            spec = {"name": name, **CHOSEN.get(path, lambda g: {})(ground)}
            assert station.http("POST", f"/rest/{path}/{project}", station.admin_token, json=spec).status_code == 201
        admin.create_bookmark(project, bookmark_spec={"name": name, "uri": "/"})
        admin.create_favorite(project, favorite_spec={
            "name": name, "type": ground.box_type, "values": {}, "entity_type_name": "Localization"})
        admin.create_leaf_list(project, body={"name": name, "type": admin.get_leaf_type_list(project)[0].id})

    def listed(path):
        rows = station.http("GET", f"/rest/{path}/{project}", station.admin_token).json()
        return [row["name"] for row in rows if row["name"] in "abc"]

    for path in ("MediaTypes", "LocalizationTypes", "StateTypes", "LeafTypes", "Sections", "Bookmarks"):
        assert listed(path) == ["a", "b", "c"], path
    for path in ("FileTypes", "Files", "Favorites", "Leaves"):
        assert listed(path) == ["b", "c", "a"], path


def test_null_means_nothing(station, admin, ground):
    """A null for a key that may be left out leaves the value as it is."""
    one, = ground.add({"frame": 4, "attributes": {"Species": "cod"}})
    track, leaf, file, section = ground.track(), ground.leaf(), ground.thing("File"), ground.thing("Section")
    layer, applet, video = ground.thing("Version"), ground.applet(), ground.video
    for path, keys in ((f"Media/{video}", "name attributes num_frames"), (f"Leaf/{leaf}", "name attributes"),
                       (f"File/{file}", "name description attributes type"), (f"Section/{section}", "name dtype visible attributes"),
                       (f"Version/{layer}", "name description show_empty bases"), (f"Project/{ground.project}", "name summary bucket"),
                       (f"Applet/{applet}", "name html_file categories"), (f"MediaType/{ground.video_type}", "name description visible")):
        before = station.http("GET", f"/rest/{path}", station.admin_token).json()
        # Something is said besides, so that nobody minds an empty change.
        answer = station.http("PATCH", f"/rest/{path}", station.admin_token, json={**dict.fromkeys(keys.split()), "name": before["name"]})
        assert answer.status_code == 200, (path, answer.text)
        after = station.http("GET", f"/rest/{path}", station.admin_token).json()
        assert {key: after[key] for key in keys.split()} == {key: before[key] for key in keys.split()}, path
    row = admin.update_localization(one, localization_update={"frame": None, "x": 0.5, "attributes": None}).object
    assert (row["frame"], row["x"], row["attributes"]) == (4, 0.5, {"Species": "cod"})
    row = admin.update_state(track, state_update={"attributes": None, "frame": None, "localization_ids_add": None}).object
    assert len(row["localizations"]) == 2
    refused(400, admin.create_version, ground.project, version_spec={"name": None})


def test_rights_that_an_answer_tells(station, admin, project):
    """The object that comes with a creation carries what the row-protection model would give its creator."""
    section = station.http("POST", f"/rest/Sections/{project}", station.admin_token, json={"name": "S"}).json()
    version = station.http("POST", f"/rest/Versions/{project}", station.admin_token, json={"name": "V"}).json()
    assert section["object"]["effective_permission"] == 16777215
    assert version["object"]["effective_permission"] == 65535
    assert admin.get_version(version["id"]).effective_permission == 0
    for noun, made, mask in (("Section", section, 16777215), ("Version", version, 65535)):
        answer = station.http("PATCH", f"/rest/{noun}/{made['id']}", station.admin_token, json={"name": "Other"}).json()
        assert (answer["object"]["name"], answer["object"]["effective_permission"]) == ("Other", mask)
        assert station.http("GET", f"/rest/{noun}/{made['id']}", station.admin_token).json()["effective_permission"] == 0


def test_keys_that_servers_of_later_versions_have(admin, project):
    """`extended_info` is a free object, empty unless given, and replaced as a whole."""
    scene = Scene(admin, project)
    leaf_type = add_leaf_type(admin, project)
    state_type = add_state_type(admin, project, [scene.video_type], "Media")
    for noun, made in (("media_type", scene.video_type), ("localization_type", scene.box_type), ("leaf_type", leaf_type),
                       ("state_type", state_type)):
        def read(noun=noun, made=made):
            return getattr(admin, f"get_{noun}")(made).extended_info

        assert read() == {}, noun
        for wanted in ({"a": [1, {"b": None}]}, {"c": 2}):
            getattr(admin, f"update_{noun}")(made, **{f"{noun}_update": {"extended_info": wanted}})
            assert read() == wanted, noun
    assert admin.get_project(project).extended_info in ({}, None)


@pytest.mark.parametrize("noun", ROWS)
def test_every_list_has_every_format(station, ground, noun):
    """The same rows as lines, spread out for people, and as a table; what nobody knows as a format is none."""
    ground.thing(noun)
    path = "/rest/" + ROWS[noun][0].format(project=ground.project, organization=ground.organization)

    def ask(form):
        return station.http("GET", f"{path}?format={form}", station.admin_token)

    rows = ask("json").json()
    assert rows and rows == station.http("GET", path, station.admin_token).json()
    assert [json.loads(line) for line in ask("jsonl").text.splitlines()] == rows
    assert ask("pprint").json() == rows
    table = csv.DictReader(io.StringIO(ask("csv").text))
    assert [row["id"] for row in table] == [str(row["id"]) for row in rows]
    assert ask("papyrus").status_code == 404
