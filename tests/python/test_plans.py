"""Filters, orders and pages over enough rows that every way of reading them is taken, against what they mean."""

import random

import pytest
from support import Scene, add_box_type, box, refused, unique

COUNT = 3_500
SPECIES = ["cod", "eel", "Eel", "ray", "x" * 230 + "a", "x" * 230 + "b", "", "ål"]


def some_attributes(dice, n):
    """Values of which some are null and some absent; every Length is another."""
    values = {
        "Species": dice.choice(SPECIES[:4]) if n % 50 else dice.choice(SPECIES),
        "Count": dice.choice([0, 1, 2, 1000 + n]),
        "Length": n * 0.37 if n % 3 else None,
        "Certain": dice.random() < 0.01,
        "Stage": dice.choice(["egg", "larva", "adult"]),
        "Seen": f"2026-01-{1 + n % 28:02}T00:00:00Z",
    }
    return {name: value for name, value in values.items() if dice.random() < 0.97}


@pytest.fixture(scope="module")
def scene(admin, organization):
    """COUNT boxes of one type and 40 of another, which has a Length of its own. Nothing here changes them."""
    project = admin.create_project(project_spec={"name": unique("Plans"), "organization": organization}).id
    scene, dice = Scene(admin, project, videos=3), random.Random(7)
    other = add_box_type(admin, project, [scene.video_type], [{"name": "Girth", "dtype": "float"}])
    specs = []
    for n in range(COUNT):
        kind, attributes = scene.box_type, some_attributes(dice, n)
        if n % 100 == 99:
            kind, attributes = other, {"Girth": n} if n % 200 == 99 else {}
        specs.append(box(scene.videos[n % 3], kind, frame=n // 3, x=round(dice.random(), 9), attributes=attributes))
    made = [one for at in range(0, COUNT, 500) for one in admin.create_localization_list(project, body=specs[at:at + 500]).id]
    scene.rows = [{**spec, "id": one} for spec, one in zip(specs, made)]
    scene.other = other
    return scene


def value_of(row, name):
    return row["attributes"].get(name)


def fits(row, filters):
    """What the filters mean, without any database."""
    compare = {"attribute": lambda a, b: a == b, "attribute_lt": lambda a, b: a < b, "attribute_lte": lambda a, b: a <= b,
               "attribute_gt": lambda a, b: a > b, "attribute_gte": lambda a, b: a >= b,
               "attribute_contains": lambda a, b: b.lower() in a.lower()}
    for key, wanted in filters.items():
        if key in ("type", "frame"):
            if row[key] != wanted:
                return False
        elif key == "media_id":
            if row["media_id"] not in wanted:
                return False
        elif key in compare:
            for name, text in (item.split("::") for item in wanted):
                value = value_of(row, name)
                if value is None:
                    return False
                given = text == "true" if isinstance(value, bool) else type(value)(text)
                if not compare[key](value, given):
                    return False
    return True


def ordered(rows, key):
    """Ascending, rows without a value last; reversed as a whole for a minus sign."""
    name = key.lstrip("-")
    valued = [row for row in rows if value_of(row, name) is not None]
    # Texts are ordered by their first 200 characters.
    valued.sort(key=lambda row: (row["attributes"][name][:200].encode() if isinstance(row["attributes"][name], str)
                                 else row["attributes"][name], row["id"]))
    found = valued + [row for row in rows if value_of(row, name) is None]
    return found[::-1] if key.startswith("-") else found


def expected(scene, sort_by=(), start=None, stop=None, **filters):
    rows = [row for row in scene.rows if fits(row, filters)]
    for key in sort_by:
        own = scene.other if key.lstrip("-") == "Girth" else scene.box_type
        if filters.get("type", own) == own:  # Elsewhere the name means nothing.
            rows = ordered(rows, key)
    return [row["id"] for row in rows][start or 0:stop]


def some_filters(dice, scene):
    filters = {}
    choices = [
        ("attribute", lambda: f"Species::{dice.choice(SPECIES)}"), ("attribute", lambda: f"Count::{dice.choice([0, 1, 1007, 5])}"),
        ("attribute", lambda: f"Certain::{dice.choice(['true', 'false'])}"), ("attribute", lambda: f"Stage::{dice.choice(['egg', 'adult'])}"),
        ("attribute_gte", lambda: f"Length::{dice.random() * 1300}"), ("attribute_lt", lambda: f"Length::{dice.random() * 1300}"),
        ("attribute_gt", lambda: f"Count::{dice.choice([0, 1, 4000])}"), ("attribute_lte", lambda: f"Count::{dice.choice([0, 1, 4000])}"),
        ("attribute_contains", lambda: f"Species::{dice.choice(['EE', 'x', 'Ål', 'q'])}"),
    ]
    for key, item in dice.sample(choices, dice.choice([0, 1, 1, 2, 2, 3])):
        filters.setdefault(key, []).append(item())
    if dice.random() < 0.3:
        filters["type"] = dice.choice([scene.box_type, scene.box_type, scene.other])
        if filters["type"] == scene.other:
            return {"type": scene.other}
    if dice.random() < 0.2:
        filters["media_id"] = dice.sample(scene.videos, dice.choice([1, 2]))
    if dice.random() < 0.1:
        filters["frame"] = dice.randrange(COUNT // 3)
    return filters


@pytest.mark.parametrize("seed", range(20))
def test_any_question_has_the_answer_that_it_means(admin, scene, seed):
    dice = random.Random(seed)
    for _ in range(12):
        filters, page = some_filters(dice, scene), {}
        assert admin.get_localization_count(scene.project, **filters) == len(expected(scene, **filters)), filters
        if dice.random() < 0.7:
            page["sort_by"] = [dice.choice(["", "-"]) + dice.choice(["Species", "Count", "Length", "Certain", "Stage", "Seen", "Girth"])]
        if dice.random() < 0.7:
            page["start"] = dice.choice([0, 3, 100, 2_000, 3_600])
            page["stop"] = page["start"] + dice.choice([0, 1, 50, 2_000])
        found = [row["id"] for row in scene.list(fields="id", **filters, **page)]
        assert found == expected(scene, **filters, **page), (filters, page)


def test_orders_of_several_keys(scene):
    rows = [row for row in scene.rows if row["type"] == scene.box_type and all(value_of(row, name) is not None for name in ("Stage", "Length"))]
    rows.sort(key=lambda row: (row["attributes"]["Stage"], -row["attributes"]["Length"]))
    found = scene.list(type=scene.box_type, sort_by=["Stage", "-Length"], fields="id", attribute_gte=["Length::0"])
    staged = [row["id"] for row in rows]
    assert [row["id"] for row in found if row["id"] in set(staged)] == staged


def test_no_page_of_an_order_repeats_or_skips(scene):
    for key in ("Length", "-Length", "Species", "-Certain"):
        pages = [[row["id"] for row in scene.list(sort_by=[key], fields="id", start=at, stop=at + 700)] for at in range(0, COUNT, 700)]
        assert [one for page in pages for one in page] == expected(scene, sort_by=[key])


class TestValuesThatCome:
    """The order knows of values that come and go, and of attributes that types gain and lose."""

    @pytest.fixture()
    @classmethod
    def few(cls, admin, project):
        scene = Scene(admin, project)
        scene.made = scene.add({"attributes": {"Length": 2}}, {"attributes": {"Length": 1}}, {})
        return scene

    def order(self, scene, name="Length", **filters):
        rows = [scene.made.index(row["id"]) for row in scene.list(sort_by=[name], fields="id", **filters)]
        assert [scene.made.index(row["id"]) for row in scene.list(sort_by=[f"-{name}"], fields="id", **filters)] == rows[::-1]
        return rows

    def test_a_value_changes(self, admin, few):
        assert self.order(few) == [1, 0, 2]
        admin.update_localization_list(few.project, localization_bulk_update={"ids": [few.made[2]], "attributes": {"Length": 0}})
        assert self.order(few) == [2, 1, 0]
        admin.update_localization_list(few.project, localization_bulk_update={"ids": [few.made[1]], "null_attributes": ["Length"]})
        assert self.order(few) == [2, 0, 1]

    def test_an_attribute_comes_and_goes(self, admin, few):
        admin.create_attribute_type(few.box_type, attribute_type_spec={
            "entity_type": "LocalizationType", "addition": {"name": "Depth", "dtype": "int"}})
        assert self.order(few, "Depth") == [0, 1, 2]
        admin.update_localization_list(few.project, localization_bulk_update={"ids": few.made[2:], "attributes": {"Depth": 5}})
        assert self.order(few, "Depth") == [2, 0, 1]
        admin.create_attribute_type(few.box_type, attribute_type_spec={
            "entity_type": "LocalizationType", "addition": {"name": "Given", "dtype": "int", "default": 3}})
        few.made += few.add({"attributes": {"Given": 1}})
        assert self.order(few, "Given") == [3, 0, 1, 2]

    def test_tombstones_keep_their_place(self, admin, few):
        tombstone = admin.delete_localization(few.made[0]).id
        few.made.append(tombstone)
        assert self.order(few) == [1, 2]
        assert self.order(few, show_deleted=1) == [1, 3, 2]


def test_a_reverse_order_of_an_unknown_name_is_no_order(scene):
    assert [row["id"] for row in scene.list(sort_by=["-Nonsense"], fields="id", stop=3)] == expected(scene, stop=3)
    refused(400, scene.list, fields="id,Nonsense")
