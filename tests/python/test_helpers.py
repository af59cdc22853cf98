"""The client's own functions: media made of others, attachments, clones of whole projects, pages, files, applets."""

import os

import pytest
import requests
import tator
from renditions import transcoded
from support import add_leaf_type, add_media_type, ids, leaf, refused, unique
from test_state import Tracks


@pytest.fixture
def kind(admin, project):
    return add_media_type(admin, project)


@pytest.fixture
def films(admin, kind, corpus):
    """Two videos with renditions."""
    return [transcoded(admin, kind, corpus[name]["path"])[0].id for name in ("h264_cfr25", "h264_cfr30")]


def test_a_multi_stream(admin, project, films):
    several = add_media_type(admin, project, "multi")
    response = tator.util.make_multi_stream(admin, several, [1, 2], "both", films, section="Views", quality=240, frame_offset=[0, 5])
    row = admin.get_media(response.id[0])
    files = row.media_files
    assert (row.name, row.type, row.num_frames) == ("both.multi", several, None)
    assert (files.ids, files.layout, files.quality, files.frameOffset) == (films, [1, 2], 240, [0, 5])
    assert (files.thumbnail[0].resolution, files.thumbnail_gif[0].resolution) == ([256, 512], [256, 512])
    folder = admin.get_section(row.primary_section)
    assert (folder.name, row.attributes["tator_user_sections"]) == ("Views", folder.tator_user_sections)
    with pytest.raises(RuntimeError):
        tator.util.make_multi_stream(admin, several, [2, 2], "four", films, section="Views")


def test_a_concatenation(admin, project, kind, films):
    response = tator.util.make_concat(admin, "dive", films, "Joined")
    row, parts = admin.get_media(response.id[0]), [admin.get_media(one) for one in films]
    assert (row.name, row.type, row.fps, row.width) == ("dive.concat", kind, parts[0].fps, 320)
    joined = row.media_files.concat
    assert [part.id for part in joined] == films
    assert [part.timestampOffset for part in joined] == [0, pytest.approx(parts[0].num_frames / parts[0].fps)]
    assert (row.media_files.thumbnail[0].mime, row.media_files.thumbnail_gif[0].mime) == ("image/jpeg", "image/gif")
    assert admin.get_section(row.primary_section).name == "Joined"


def test_a_live_stream(admin, project):
    live = add_media_type(admin, project, "live")
    feeds = [{"url": f"https://h.example/{n}", "feeds": [{"name": "hd", "resolution": [1080, 1920]}]} for n in range(2)]
    tator.util.make_live_stream(admin, live, [1, 2], "reef", "Live", feeds)
    row, = admin.get_media_list(project)
    assert (row.name, row.type, row.media_files.layout) == ("reef.live", live, [1, 2])
    assert [stream.url for stream in row.media_files.live] == [feed["url"] for feed in feeds]
    assert row.media_files.live[0].feeds[0].resolution == [1080, 1920]


def test_attachments(admin, members, project, kind, tmp_path):
    media = admin.create_media_list(project, body={"type": kind, "name": "a.mp4", "md5": ""}).id
    content = [os.urandom(size) for size in (5_000, 3_000_000)]  # in one piece, and in parts
    for n, some in enumerate(content):
        path = tmp_path / f"note {n}.bin"
        path.write_bytes(some)
        *_, (progress, response) = tator.util.upload_attachment(admin, media, str(path), name=f"n{n}.bin")
        assert progress == 100 and isinstance(response, tator.models.MessageResponse)
    row = members.transferrer.api.get_media(media, presigned=3600)
    assert [(one.name, one.size) for one in row.media_files.attachment] == [("n0.bin", 5_000), ("n1.bin", 3_000_000)]
    for n, some in enumerate(content):
        assert list(tator.util.download_attachment(admin, row, str(tmp_path / "back"), index=n))[-1] == 100
        assert (tmp_path / "back").read_bytes() == some
    with pytest.raises(ValueError):
        tator.util.download_attachment(admin, row, str(tmp_path / "back"), index=2)
    refused(403, members.editor.api.create_auxiliary_file, media, auxiliary_file_definition={"path": row.media_files.attachment[0].path})


@pytest.fixture
def elsewhere(admin, organization):
    """An empty project beside the test's."""
    return admin.create_project(project_spec={"name": unique("Elsewhere"), "organization": organization}).id


def cloned(pieces):
    """The mapping from old to new ids that a function of the client yields bit by bit."""
    mapping = {}
    for _, _, _, part in pieces:
        mapping |= part
    return mapping


def test_a_project_is_cloned_bit_by_bit(admin, project, elsewhere, members):
    """Types, layers, folders, members, media, boxes, tracks and leaves, as a script copies a project."""
    util = tator.util
    scene = Tracks(admin, project)
    layer = admin.create_version(project, version_spec={
        "name": "Layer", "description": "d", "show_empty": False, "bases": [admin.get_version_list(project)[0].id]}).id
    replaced, kept = scene.add({"frame": 1, "attributes": {"Species": "cod", "Count": 3}}, {"frame": 2})
    child, = scene.add({"frame": 1, "version": layer, "parent": replaced})
    track = admin.create_state_list(project, body={
        "type": scene.track_type, "media_ids": [scene.video], "localization_ids": [replaced, kept], "attributes": {"Name": "n"}}).id[0]
    event = admin.create_state_list(project, body={"type": scene.event_type, "media_ids": [scene.video], "frame": 0}).id[0]

    media_types = {scene.video_type: util.clone_media_type(admin, scene.video_type, elsewhere).id}
    box_types = {scene.box_type: util.clone_localization_type(admin, scene.box_type, elsewhere, media_types).id}
    state_types = {kind: util.clone_state_type(admin, kind, elsewhere, media_types).id for kind in (scene.track_type, scene.event_type)}
    for read, types in ((admin.get_media_type, media_types), (admin.get_localization_type, box_types), (admin.get_state_type, state_types)):
        for old, new in types.items():
            one, other = read(old), read(new)
            assert (other.project, other.name, other.attribute_types) == (elsewhere, one.name, one.attribute_types)
    base, = admin.get_version_list(project)[:1]
    versions = {base.id: admin.get_version_list(elsewhere)[0].id}
    versions[layer] = util.clone_version(admin, layer, elsewhere, versions).id
    row = admin.get_version(versions[layer])
    assert (row.name, row.description, row.show_empty, row.bases) == ("Layer", "d", False, [versions[base.id]])

    media = cloned(util.clone_media_list(admin, {"project": project}, elsewhere))
    *_, (count, total, _, _) = util.clone_localization_list(admin, {"project": project}, elsewhere, versions, media, box_types)
    assert count == total == admin.get_localization_count(elsewhere) == 3
    new = {row.frame: row for row in admin.get_localization_list(elsewhere, version=[versions[base.id]])}
    assert new[1].attributes == {"Species": "cod", "Count": 3} and new[1].media == media[scene.video]
    copy, = admin.get_localization_list(elsewhere, version=[versions[layer]])
    assert (copy.parent, copy.elemental_id) == (new[1].id, new[1].elemental_id)
    boxes = {replaced: new[1].id, kept: new[2].id, child: copy.id}
    states = cloned(util.clone_state_list(admin, {"project": project}, elsewhere, versions, media, boxes, state_types))
    row = admin.get_state(states[track])
    assert (row.localizations, row.segments, row.attributes) == ([new[1].id, new[2].id], [[1, 2]], {"Name": "n"})
    assert (admin.get_state(states[event]).frame, admin.get_state(states[event]).media) == (0, [media[scene.video]])
    # By a query with a body, too.
    some = cloned(util.clone_localization_list(
        admin, {"project": project, "localization_id_query": {"ids": [kept]}}, elsewhere, versions, media, box_types))
    assert list(some) == [kept] and admin.get_localization(some[kept]).frame == 2


def test_media_are_cloned_to_another_station(admin, project, kind, corpus, new_station, tmp_path):
    """With the bytes of all their files."""
    row, _ = transcoded(admin, kind, corpus["h264_cfr25"]["path"])
    other = new_station()
    api = tator.get_api(other.url, other.admin_token)
    there = api.create_project(project_spec={
        "name": "P", "organization": api.create_organization(organization_spec={"name": "O"}).id}).id
    add_media_type(api, there)
    copies = cloned(tator.util.clone_media_list(admin, {"project": project}, there, dest_section="Copies", dest_api=api))
    assert list(copies) == [row.id]
    copy = api.get_media(copies[row.id])
    assert (copy.name, copy.num_frames, copy.fps, copy.width) == (row.name, row.num_frames, row.fps, row.width)
    for role in ("streaming", "archival", "thumbnail", "thumbnail_gif"):
        sizes = [[one.size for one in getattr(media.media_files, role)] for media in (row, copy)]
        assert sizes[0] == sizes[1] != [], role
    for path, source, media in ((tmp_path / "a", admin, row), (tmp_path / "b", api, copy)):
        list(tator.util.download_media(source, media, str(path)))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert api.get_section(copy.primary_section).name == "Copies"


def test_folders_members_files_and_leaves_are_cloned(admin, project, elsewhere, members):
    util = tator.util
    folder = admin.create_section(project, section_spec={
        "name": "Deep", "path": "A.Deep", "tator_user_sections": "4711", "object_search": leaf("Camera", "eq", "bow")}).id
    row = admin.get_section(util.clone_section(admin, folder, elsewhere).id)
    assert (row.project, row.name, row.path, row.tator_user_sections, row.dtype) == (elsewhere, "Deep", "A.Deep", "4711", "saved_search")
    member = next(one for one in admin.get_membership_list(project) if one.user == members.editor.id)
    row = admin.get_membership(util.clone_membership(admin, member.id, elsewhere).id)
    assert (row.project, row.user, row.permission) == (elsewhere, members.editor.id, "Can Edit")
    reports = admin.create_file_type(project, file_type_spec={
        "name": "Report", "description": "d", "attribute_types": [{"name": "Pages", "dtype": "int"}]}).id
    row = admin.get_file_type(util.clone_file_type(admin, reports, elsewhere).id)
    assert (row.project, row.name, row.description, [one["name"] for one in row.attribute_types]) == (elsewhere, "Report", "d", ["Pages"])

    taxa = add_leaf_type(admin, project, [{"name": "Rank", "dtype": "int"}])
    fish = admin.create_leaf_list(project, body={"name": "Fish", "type": taxa}).id[0]
    admin.create_leaf_list(project, body=[
        {"name": name, "type": taxa, "parent": fish, "attributes": {"Rank": 2}} for name in ("Cod", "Eel")])
    kinds = {taxa: util.clone_leaf_type(admin, taxa, elsewhere).id}
    parents = cloned(util.clone_leaf_list(admin, {"project": project, "depth": 2}, elsewhere, {}, kinds))
    cloned(util.clone_leaf_list(admin, {"project": project, "depth": 3}, elsewhere, parents, kinds))
    rows = admin.get_leaf_list(elsewhere)
    assert [(row.name, row.parent, row.attributes.get("Rank")) for row in rows] == [
        ("Fish", None, None), ("Cod", parents[fish], 2), ("Eel", parents[fish], 2)]
    assert rows[1].path == f"{rows[0].path}.Cod"


def test_every_list_comes_in_pages(admin, project):
    scene = Tracks(admin, project, videos=5)
    admin.create_state_list(project, body=[
        {"type": scene.collection_type, "media_ids": [scene.video]} for _ in range(5)])
    kind = admin.create_file_type(project, file_type_spec={"name": "Report"}).id
    for n in range(5):
        admin.create_file(project, file_spec={"name": f"{n}", "type": kind})
    scene.add(*({"frame": n} for n in range(5)))
    for name in ("media", "state", "file", "localization"):
        pages = list(tator.util.get_paginator(admin, f"get_{name}_list", 2).paginate(project=project))
        assert [len(page) for page in pages] == [2, 2, 1], name
        assert [row.id for page in pages for row in page] == ids(getattr(admin, f"get_{name}_list")(project)), name
    pages = list(tator.util.get_paginator(admin, "get_localization_list_by_id", 2).paginate(
        project=project, localization_id_query={"media_ids": [scene.video]}))
    assert [len(page) for page in pages] == [2, 2, 1]
    assert [row.frame for page in pages for row in page] == list(range(5))


def test_rows_of_a_list_make_a_table(admin, project):
    """Every row has the same columns, and a table of them says what the rows say."""
    scene = Tracks(admin, project)
    scene.add({"attributes": {"Count": 1}}, {})
    scene.track([1, 2])
    for rows in (admin.get_localization_list(project), admin.get_media_list(project), admin.get_state_list(project),
                 admin.get_localization_type_list(project), admin.get_version_list(project)):
        assert len({tuple(row.to_dict()) for row in rows}) == 1
        table = tator.util.to_dataframe(rows)
        assert list(table.columns) == list(rows[0].to_dict()) and len(table) == len(rows)
        assert list(table["id"]) == ids(rows)
    shapes = tator.util.to_dataframe(admin.get_localization_list(project))
    assert shapes["x"].dtype == "float64" and shapes["frame"].dtype == "int64"
    assert list(shapes["frame"]) == [0, 0, 1, 2] and shapes["u"].isna().all()
    assert shapes["attributes"][0]["Count"] == 1 and dict(shapes.groupby("frame").size()) == {0: 2, 1: 1, 2: 1}
    track, = tator.util.to_dataframe(admin.get_state_list(project)).to_dict("records")
    assert (track["segments"], track["localizations"]) == ([[1, 2]], ids(admin.get_localization_list(project))[2:])
    assert tator.util.to_dataframe([]) is None


def test_a_file_of_a_project(admin, project, tmp_path):
    kind = admin.create_file_type(project, file_type_spec={"name": "Report", "attribute_types": [{"name": "Pages", "dtype": "int"}]}).id
    path = tmp_path / "report 1.txt"
    path.write_bytes(b"depth 12 m\n" * 1000)
    *_, (progress, row) = tator.util.upload_generic_file(admin, kind, str(path), "of the dive", attributes={"Pages": 3})
    assert progress == 100 and isinstance(row, tator.models.File)
    assert (row.name, row.description, row.type, row.attributes) == ("report 1.txt", "of the dive", kind, {"Pages": 3})
    link = admin.get_download_info(project, download_info_spec={"keys": [row.path]})[0].url
    assert requests.get(link, timeout=60).content == path.read_bytes()
    # The fingerprint of a file is the same by its link.
    assert tator.util.md5sum(link) == tator.util.md5sum(str(path))


def test_an_applet_is_registered_and_changed(station, admin, project, tmp_path):
    path = tmp_path / "page.html"
    path.write_text("<p>one</p>")
    tator.util.register_applet(station.url, station.admin_token, project, str(path), "Depths", ["annotator-menu"], "how deep")
    row, = admin.get_applet_list(project)
    assert (row.name, row.categories, row.description) == ("Depths", ["annotator-menu"], "how deep")
    path.write_text("<p>two</p>")
    tator.util.update_applet(station.url, station.admin_token, row.id, html_file=str(path), description="deeper")
    row = admin.get_applet(row.id)
    assert (row.name, row.categories, row.description) == ("Depths", ["annotator-menu"], "deeper")
    assert station.http("GET", f"/media/{row.html_file}", station.admin_token).text == "<p>two</p>"


def test_downloads_of_every_kind(admin, project, kind, corpus, tmp_path):
    """One rendition by its height and codec, and the small pictures."""
    row, _ = transcoded(admin, kind, corpus["h264_cfr25"]["path"])
    files = row.media_files
    for quality, role, record in [(one.resolution[0], "streaming", one) for one in files.streaming] + [
            (None, role, getattr(files, role)[0]) for role in ("archival", "thumbnail", "thumbnail_gif")]:
        out = tmp_path / f"{role}{quality}"
        *_, last = tator.util.download_media(admin, row, str(out), quality, role)
        assert last == 100 and out.stat().st_size == record.size, (quality, role)
    best = max(files.streaming, key=lambda one: one.resolution[0])
    out = tmp_path / "best"
    list(tator.util.download_media(admin, row, str(out), media_type="streaming", codec_or_mime="h264"))
    assert out.stat().st_size == best.size
