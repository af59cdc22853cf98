"""`transect settings`: what is in effect and where it comes from, without what is secret."""

import tomllib


def test_every_setting_says_where_it_comes_from(new_station):
    station = new_station(environment={"TRANSECT_ACCOUNT_LOCKOUT_MINUTES": "7"})
    station.stop()
    (station.data / "transect.toml").write_text('[account]\nsecret = "a long secret that must not be shown at all"\n'
                                                '[mail]\nurl = "smtp://ann:hidden-word@mail.lab?x=hidden-word"\n'
                                                '[jobs]\ntranscodes = 3\n')
    rows = {row["key"]: row for row in station.lines("settings")}
    file = f"file {station.data / 'transect.toml'}"
    assert rows["jobs.transcodes"] == {"key": "jobs.transcodes", "value": 3, "source": file}
    assert rows["account.lockout_minutes"]["source"] == "environment TRANSECT_ACCOUNT_LOCKOUT_MINUTES"
    assert (rows["account.lockout_minutes"]["value"], rows["account.session_hours"]["source"]) == (7, "default")
    assert (rows["mail.url"]["value"], rows["account.secret"]["value"]) == ("smtp://ann:…@mail.lab?…", "…")
    shown = station.command("settings").stdout
    assert "must not be shown" not in shown and "hidden-word" not in shown
    assert f"transcodes = 3  # {file}" in shown.splitlines()
    table = tomllib.loads(shown)
    assert table["jobs"]["transcodes"] == 3 and table["account"]["lockout_minutes"] == 7
    assert {f"{section}.{key}" for section, keys in table.items() for key in keys} == set(rows)
    (station.data / "transect.toml").write_text("[jobs]\ntranscode = 3\n")
    wrong = station.command("settings", check=False)
    assert wrong.returncode == 1 and "jobs.transcode" in wrong.stderr
