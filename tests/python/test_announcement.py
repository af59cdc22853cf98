"""Announcements: made on the command line, read and put away over the API."""

import datetime
import re

import tator
from support import NOWHERE, refused, unique

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


def shown(api):
    return {row.id: row for row in api.get_announcement_list()}


def test_life_of_an_announcement(station, people):
    text = unique("**Maintenance** on Friday")
    made, = station.lines("announce", text, "--days", "3")
    row = shown(people.viewer.api)[made["id"]]
    assert row.markdown == text and re.fullmatch(TIME, row.created_datetime) and re.fullmatch(TIME, row.eol_datetime)
    ends, began = (datetime.datetime.fromisoformat(at) for at in (row.eol_datetime, row.created_datetime))
    assert ends - began == datetime.timedelta(days=3)
    answer = people.viewer.api.delete_announcement(made["id"])
    assert isinstance(answer, tator.models.MessageResponse)
    assert made["id"] not in shown(people.viewer.api)
    assert made["id"] in shown(people.editor.api)  # everybody puts it away for themselves
    refused(404, people.viewer.api.delete_announcement, made["id"])
    assert station.command("announce", "--withdraw", made["id"]).stdout.strip() == f"announcement {made['id']} is taken back"
    assert made["id"] not in shown(people.editor.api)
    refused(404, people.editor.api.delete_announcement, made["id"])
    assert station.command("announce", "--withdraw", made["id"], check=False).returncode == 1


def test_an_announcement_ends(station, people):
    ends, stays = (station.lines("announce", unique("Soon"), "--days", "2")[0]["id"] for _ in range(2))
    day_ms = 86_400_000
    station.behind_the_back(f"update announcement set eol_at = eol_at - {2 * day_ms - 60_000} where id = {ends}")
    assert ends in shown(people.viewer.api)  # in its last minute
    station.behind_the_back(f"update announcement set eol_at = eol_at - 60000 where id = {ends}")
    assert ends not in shown(people.viewer.api) and stays in shown(people.viewer.api)


def test_what_is_no_announcement(station, people):
    for arguments in (["  "], ["x" * 2049], ["x", "--days", "0"]):
        assert station.command("announce", *arguments, check=False).returncode == 1
    assert station.command("announce", check=False).returncode == 2
    assert station.command("announce", "x", "--withdraw", "1", check=False).returncode == 2
    assert station.command("announce", "ü" * 2048).returncode == 0
    refused(404, people.viewer.api.delete_announcement, NOWHERE)
    assert station.http("GET", "/rest/Announcements").status_code == 400
