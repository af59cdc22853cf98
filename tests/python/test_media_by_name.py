"""Where a media of a name is, over all projects that somebody sees."""

from support import add_media_type, add_video, unique


def test_over_all_visible_projects(admin, organization, people):
    name, other = f"{unique('Clip')}.MP4", f"{unique('clip')}.mp4"
    made = {}
    for _ in range(3):
        project = admin.create_project(project_spec={"name": unique("Dive"), "organization": organization}).id
        kind = add_media_type(admin, project)
        made[project] = add_video(admin, project, kind, name)
        add_video(admin, project, kind, other)
    found = [(row["project"], row["media"]) for row in admin.get_media_by_name(name=name.lower())]
    assert found == sorted(made.items())
    visible, hidden, gone = sorted(made)
    admin.create_membership(visible, membership_spec={"user": people.viewer.id, "permission": "View Only"})
    assert [row["project"] for row in people.viewer.api.get_media_by_name(name=name)] == [visible]
    admin.delete_media(made[gone])
    assert [row["project"] for row in admin.get_media_by_name(name=name)] == [visible, hidden]
    assert admin.get_media_by_name(name=name[:-1]) == []
    assert people.stranger.api.get_media_by_name(name=name) == []


def test_wrong_questions(station):
    answer = station.http("GET", "/rest/MediaByName", station.admin_token)
    assert (answer.status_code, answer.json()["message"]) == (400, "Missing required query parameter: name")
    assert station.http("GET", "/rest/MediaByName?name=x").status_code == 400
