"""Health checks: for anybody, and true."""

import tator

PARTS = ["database", "objects", "disk", "worker"]


def test_a_healthy_station(station):
    anonymous = tator.get_api(station.url)
    assert [row["status"] for row in anonymous.health_check()] == ["ok"]
    rows = anonymous.health_check_full()
    assert [row["name"] for row in rows] == PARTS
    for row in rows:
        assert row["status"] == "ok" and row["message"] and row["duration_ms"] >= 0
    assert str(station.data) not in str(rows)


def test_a_worker_that_does_not_start(new_station):
    station = new_station(environment={"TRANSECT_FRAMES_WORKER": "/nowhere/transect-frames"})
    answer = station.http("GET", "/rest/HealthCheckFull")
    assert answer.status_code == 503
    assert {row["name"]: row["status"] for row in answer.json()} == {**dict.fromkeys(PARTS, "ok"), "worker": "failed"}
    assert "nowhere" not in answer.text and "nowhere" in station.log_tail()
    assert station.http("GET", "/rest/HealthCheck").status_code == 200


def test_a_disk_without_room(new_station):
    station = new_station(environment={"TRANSECT_OBJECTS_RESERVE_BYTES": str(1 << 60)})
    answer = station.http("GET", "/rest/HealthCheckFull")
    assert answer.status_code == 503
    failed = [row["name"] for row in answer.json() if row["status"] != "ok"]
    assert failed == ["objects", "disk"]
