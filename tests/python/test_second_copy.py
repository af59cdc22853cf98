"""A second copy of what is stored: damage is read around and mended, and a second folder that is away holds nobody up."""

import os

import pytest
from station import wait_for
from test_s3 import KIB, MIB, body, client_of, make_key

SIZES = (1000, 900 * KIB, 3 * MIB)


@pytest.fixture
def twice(new_station, tmp_path):
    """(station, its second folder): with a bucket `pair` and an object of every size, kept twice."""
    second = tmp_path / "second"
    station = new_station(environment={"TRANSECT_OBJECTS_COPY": f"file:{second}"})
    s3 = client_of(make_key(station))
    s3.create_bucket(Bucket="pair")
    station.content = {str(size): os.urandom(size) for size in SIZES}
    for name, data in station.content.items():
        s3.put_object(Bucket="pair", Key=name, Body=data)
    kept_twice(station)
    return station, second


def copies(station):
    return next(row for row in station.lines("doctor", check=False) if row["check"] == "copies")


def kept_twice(station):
    return wait_for("the copies", lambda: (lambda row: row["level"] == "ok" and "kept twice: " in row["message"])(copies(station)))


def objects(station):
    """What the scrub says; with repair."""
    rows = station.lines("doctor", "--scrub", "--repair", check=False)
    return next(row for row in rows if row["check"] == "objects")


def files(root):
    return {path.name: path for path in root.glob("??/??/*")}


def places(root, data):
    """Files of a folder that hold these bytes, and where."""
    found = []
    for path in root.rglob("*"):
        if path.is_file():
            at = path.read_bytes().find(data)
            if at >= 0:
                found.append((path, at))
    return found


def flip(root, data, at):
    """Changes a byte of an object in each file of a folder that holds it."""
    found = places(root, data[at:at + 64])
    assert found
    for path, start in found:
        with open(path, "r+b") as file:
            file.seek(start + 7)
            byte = file.read(1)[0]
            file.seek(start + 7)
            file.write(bytes([byte ^ 1]))


def everything_is_there(station):
    s3 = client_of(make_key(station))
    return {name: body(s3.get_object(Bucket="pair", Key=name)) for name in station.content} == station.content


@pytest.mark.parametrize("at", [0.1, 0.9])
def test_flipped_bytes_are_read_from_the_second_and_mended(twice, at):
    station, _ = twice
    station.stop()
    for data in station.content.values():
        flip(station.data / "objects", data, int(len(data) * at))
    station.start()
    assert everything_is_there(station)
    kept_twice(station)
    wait_for("the mending", lambda: all(any(path.read_bytes() == data for path in files(station.data / "objects").values())
                                        for data in station.content.values() if len(data) > 32 * KIB))
    station.stop()
    del station.environment["TRANSECT_OBJECTS_COPY"]
    station.start()
    assert everything_is_there(station)
    assert next(row for row in station.lines("doctor", "--scrub") if row["check"] == "objects")["level"] == "ok"


def test_the_doctor_mends_both_ways(twice):
    station, second = twice
    large = station.content[str(3 * MIB)]
    station.stop()
    first_files, second_files = files(station.data / "objects"), files(second)
    assert set(first_files) == set(second_files) and len(first_files) == 2
    lost = [name for name, path in first_files.items() if path.read_bytes() != large]
    first_files[lost[0]].unlink()
    flip(second, large, MIB)
    station.start()
    found = objects(station)
    assert found["level"] == "ok" and "; 1 were damaged or missing" in found["message"] and "1 second copies were" in found["message"]
    assert first_files[lost[0]].read_bytes() == second_files[lost[0]].read_bytes()
    assert any(path.read_bytes() == large for path in files(second).values())
    assert "damaged" not in objects(station)["message"]
    # What is lost in both is named, with whose it is.
    for folder in (station.data / "objects", second):
        files(folder)[lost[0]].unlink()
    found = objects(station)
    assert found["level"] == "failed" and f"missing: pair/{900 * KIB}" in found["message"]


def test_a_folder_that_is_away_holds_nobody_up(twice):
    station, second = twice
    s3 = client_of(make_key(station))
    second.rename(away := second.with_name("away"))
    second.mkdir()  # where its disk was mounted
    station.content["more"] = os.urandom(MIB)
    s3.put_object(Bucket="pair", Key="more", Body=station.content["more"])
    s3.delete_object(Bucket="pair", Key=str(900 * KIB))
    del station.content[str(900 * KIB)]
    told = wait_for("the warning", lambda: (lambda row: row if row["level"] == "warning" else None)(copies(station)))
    assert "mount it" in told["message"] and str(second) in told["message"]
    assert everything_is_there(station) and list(second.iterdir()) == []
    second.rmdir()
    away.rename(second)
    kept_twice(station)
    wait_for("both to be the same", lambda: set(files(second)) == set(files(station.data / "objects")))
    assert places(second, station.content["more"])


def test_a_killed_station_catches_up(twice):
    station, second = twice
    s3 = client_of(make_key(station))
    for number in range(10):
        station.content[f"{number}"] = os.urandom((number + 1) * 20 * KIB)
        s3.put_object(Bucket="pair", Key=f"{number}", Body=station.content[f"{number}"])
    station.kill()
    station.start()
    kept_twice(station)
    # Small ones lie on several pages of a database.
    assert all(places(second, data if len(data) > 32 * KIB else data[:64]) for data in station.content.values())
    assert everything_is_there(station)


@pytest.mark.parametrize("url, told", [("s3://x", "objects.copy"), ("file:relative", "objects.copy"), ("file:{data}/objects/x", "apart")])
def test_a_wrong_folder_is_named(new_station, tmp_path, url, told):
    with pytest.raises(Exception) as caught:
        new_station(tmp_path / "data", environment={"TRANSECT_OBJECTS_COPY": url.format(data=tmp_path / "data")})
    assert told in str(caught.value)
