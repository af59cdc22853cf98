"""The client's own functions that make media of others, and carry attachments."""

import os

import pytest
import tator
from renditions import transcoded
from support import add_media_type, refused


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
