"""The tree of names."""

import pytest
from support import NOWHERE, add_leaf_type, encoded, ids, leaf, refused, unique


@pytest.fixture
def kind(admin, project):
    return add_leaf_type(admin, project, [{"name": "alias", "dtype": "string"}, {"name": "Rank", "dtype": "int"}])


@pytest.fixture
def root(admin, project):
    """Component 0 of every path: the project's name."""
    return "".join(c if c.isalnum() else "_" for c in admin.get_project(project).name)


def grow(api, project, kind, name, parent=None, **attributes):
    return api.create_leaf_list(project, body={"name": name, "type": kind, "parent": parent, "attributes": attributes}).id[0]


@pytest.fixture
def fish(admin, project, kind):
    """Fish > Cods > (Atlantic cod, Pacific cod); Fish > Eels; Crabs"""
    made = {"Fish": grow(admin, project, kind, "Fish")}
    made["Cods"] = grow(admin, project, kind, "Cods", made["Fish"], alias="Gadidae", Rank=1)
    made["Eels"] = grow(admin, project, kind, "Eels", made["Fish"], Rank=2)
    made["Atlantic cod"] = grow(admin, project, kind, "Atlantic cod", made["Cods"], Rank=3)
    made["Pacific cod"] = grow(admin, project, kind, "Pacific cod", made["Cods"], Rank=4)
    made["Crabs"] = grow(admin, project, kind, "Crabs")
    return made


def test_messages(admin, project, kind):
    one = admin.create_leaf_list(project, body={"name": "A", "type": kind})
    assert one.message == "Successfully created 1 leaf!" and len(one.id) == 1
    two = admin.create_leaf_list(project, body=[{"name": "B", "type": kind}, {"name": "C", "type": kind}])
    assert two.message == "Successfully created 2 leaves!" and len(two.id) == 2


def test_paths(admin, project, fish, root):
    paths = {row.name: row.path for row in admin.get_leaf_list(project)}
    assert paths == {"Fish": f"{root}.Fish", "Cods": f"{root}.Fish.Cods", "Eels": f"{root}.Fish.Eels",
                     "Atlantic cod": f"{root}.Fish.Cods.Atlantic_cod", "Pacific cod": f"{root}.Fish.Cods.Pacific_cod",
                     "Crabs": f"{root}.Crabs"}
    assert admin.get_leaf(fish["Fish"]).parent is None


def test_odd_characters(admin, project, kind, root):
    made = grow(admin, project, kind, "Cod (young-ish) é/%")
    assert admin.get_leaf(made).path == f"{root}.Cod__young_ish_____"


def test_filters(admin, project, kind, fish):
    def names(**filters):
        rows = admin.get_leaf_list(project, **filters)
        assert admin.get_leaf_count(project, **filters) == len(rows)
        return [row.name for row in rows]

    assert names(depth=2) == ["Fish", "Crabs"]
    assert names(depth=4) == ["Atlantic cod", "Pacific cod"]
    assert names(name="Eels") == ["Eels"] and names(name="eels") == []
    assert names(type=kind, attribute_gte=["Rank::3"]) == ["Atlantic cod", "Pacific cod"]
    assert names(encoded_search=encoded(leaf("Rank", "lt", 3))) == ["Cods", "Eels"]
    assert names(leaf_id=[fish["Crabs"], fish["Fish"]]) == ["Fish", "Crabs"]


def test_body_queries(admin, project, fish):
    rows = admin.get_leaf_list_by_id(project, leaf_id_query={"ids": [fish["Eels"]]})
    assert ids(rows) == [fish["Eels"]]
    assert admin.get_leaf_list_by_id(project, leaf_id_query={"ids": []}) == []  # unlike everywhere else
    assert admin.get_leaf_count_by_id(project, leaf_id_query={"object_search": leaf("Rank", "gt", 1)}) == 3


def test_suggestions(admin, project, fish, root):
    def suggest(query, ancestor="Fish", **more):
        return [(row["value"], row["group"]) for row in admin.leaf_suggestion(f"{root}.{ancestor}", project, query=query, **more)]

    assert suggest("atl") == [("Atlantic cod", "Cods (Gadidae)")]
    assert suggest("*cod") == [("Atlantic cod", "Cods (Gadidae)"), ("Pacific cod", "Cods (Gadidae)")]
    assert suggest("e") == [("Eels", "Fish")]
    assert ("Cods", "Fish") in suggest("c") and ("Crabs", "Fish") not in suggest("c")
    assert suggest("c", min_level=4) == []
    assert suggest("a", ancestor="Nothing") == []
    assert suggest("*c*d*", min_level=4)[0][0] == "Atlantic cod"


def test_renaming_leaves_the_path_and_moving_rewrites_the_branch(admin, project, fish, root):
    admin.update_leaf(fish["Cods"], leaf_update={"name": "Gadids"})
    row = admin.get_leaf(fish["Cods"])
    assert (row.name, row.path) == ("Gadids", f"{root}.Fish.Cods")
    admin.update_leaf(fish["Cods"], leaf_update={"parent": fish["Crabs"]})
    moved = admin.get_leaf(fish["Atlantic cod"])
    assert moved.path.startswith(f"{root}.Crabs.") and moved.path.endswith(".Atlantic_cod")
    admin.update_leaf(fish["Cods"], leaf_update={"parent": -1})
    assert admin.get_leaf(fish["Cods"]).parent is None
    assert len(admin.get_leaf(fish["Pacific cod"]).path.split(".")) == 3


def test_deleting_takes_the_branch(admin, project, fish):
    assert admin.delete_leaf(fish["Cods"]).message == f"Leaf {fish['Cods']} and 2 children successfully deleted! "
    assert [row.name for row in admin.get_leaf_list(project)] == ["Fish", "Eels", "Crabs"]
    assert admin.delete_leaf(fish["Fish"]).message == f"Leaf {fish['Fish']} and 1 child successfully deleted! "
    refused(404, admin.get_leaf, fish["Eels"])


def test_bulk(admin, project, fish):
    admin.update_leaf_list(project, attribute_gte=["Rank::3"], leaf_bulk_update={"attributes": {"alias": "cod"}})
    assert ids(admin.get_leaf_list(project, attribute=["alias::cod"])) == [fish["Atlantic cod"], fish["Pacific cod"]]
    refused(400, admin.delete_leaf_list, project, attribute=["alias::cod"], count=1)
    admin.delete_leaf_list(project, attribute=["alias::cod"], count=2)
    assert admin.get_leaf_count(project) == 4


@pytest.mark.parametrize("where", ["nowhere", "in another project"])
def test_parent_must_be_there_and_at_home(admin, project, kind, organization, where):
    other = admin.create_project(project_spec={"name": unique("Other"), "organization": organization}).id
    parent = NOWHERE if where == "nowhere" else grow(admin, other, add_leaf_type(admin, other), "Foreign")
    status, message = {"nowhere": (404, "Leaf matching query does not exist."),
                       "in another project": (400, f"Leaf {parent} is not part of project {project}!")}[where]
    assert refused(status, grow, admin, project, kind, "X", parent)["message"] == message
    assert admin.get_leaf_count(project) == 0


def test_bulk_deletion_takes_the_branches(admin, project, fish):
    refused(400, admin.delete_leaf_list, project, name="Fish", count=5)
    message = admin.delete_leaf_list(project, leaf_id_query={"ids": [fish["Fish"], fish["Cods"]]}, count=2).message
    assert message == "Successfully deleted 2 leaves!"
    assert [row.name for row in admin.get_leaf_list(project)] == ["Crabs"]


def test_bulk_changes_refuse_names_that_there_are_not(admin, project, fish):
    wrong = leaf("Rnak", "eq", 1, inverse=True)
    for filters in ({"attribute": ["Rnak::1"]}, {"encoded_search": encoded(wrong)}):
        refused(400, admin.delete_leaf_list, project, **filters)
        refused(400, admin.update_leaf_list, project, leaf_bulk_update={"attributes": {"Rank": 1}}, **filters)
    refused(400, admin.delete_leaf_list, project, leaf_id_query={"object_search": {"method": "not", "operations": [wrong]}})
    assert admin.get_leaf_count(project) == 6


def test_bulk_update_of_two_types(admin, project, fish):
    other = add_leaf_type(admin, project, [{"name": "Rank", "dtype": "int"}])
    grow(admin, project, other, "Whales", Rank=1)
    body = refused(400, admin.update_leaf_list, project, leaf_bulk_update={"attributes": {"Rank": 5}})
    assert body["message"] == "When doing a bulk patch the type id of all objects must be the same."
    assert ids(admin.get_leaf_list(project, attribute=["Rank::5"])) == []


def test_null_and_reset_attributes(admin, project):
    kind = add_leaf_type(admin, project, [{"name": "A", "dtype": "int", "default": 5}, {"name": "B", "dtype": "string"}])
    made = [grow(admin, project, kind, name, A=1, B="x") for name in ("one", "two")]

    def documents(**change):
        admin.update_leaf_list(project, leaf_bulk_update=change)
        return [admin.get_leaf(one).attributes for one in made]

    assert documents(null_attributes=["A"]) == [{"A": None, "B": "x"}] * 2
    assert ids(admin.get_leaf_list(project, attribute_null=["A::true"])) == made
    assert documents(reset_attributes=["A", "B"]) == [{"A": 5, "B": None}] * 2
    refused(400, admin.update_leaf_list, project, leaf_bulk_update={"null_attributes": ["Nothing"]})


def test_similarity(admin, project):
    kind = add_leaf_type(admin, project, [{"name": "V", "dtype": "float_array", "size": 2}])
    made = [grow(admin, project, kind, f"n{n}", V=[n, 0]) for n in range(3)]
    query = {"float_array": [{"name": "V", "center": [2, 0], "upper_bound": 1}]}
    assert ids(admin.get_leaf_list_by_id(project, leaf_id_query=query, type=kind)) == made[:0:-1]
    admin.delete_leaf_list(project, leaf_id_query=query, type=kind)
    assert ids(admin.get_leaf_list(project)) == made[:1]


def test_types_of_other_projects_and_names_that_repeat(admin, project, organization, root):
    other = admin.create_project(project_spec={"name": unique("Other"), "organization": organization}).id
    foreign = add_leaf_type(admin, other, [{"name": "Rank", "dtype": "int"}])
    made = [grow(admin, project, foreign, "Fish", Rank=n) for n in range(2)]
    rows = admin.get_leaf_list(project)
    assert [(row.id, row.name, row.type, row.project, row.attributes) for row in rows] == [
        (made[n], "Fish", foreign, project, {"Rank": n}) for n in range(2)]
    assert admin.get_leaf_list(other) == []
    refused(404, admin.create_leaf_list, project, body={"name": "X", "type": NOWHERE})
    refused(400, grow, admin, project, foreign, "X", Rank="high")


def test_suggestions_are_grouped(admin, project, kind, fish, root):
    """Sorted by their groups, with an alias where a leaf has one, whatever the case of the path."""
    grow(admin, project, kind, "Catfish", fish["Fish"], alias="whiskers")
    rows = admin.leaf_suggestion(f"{root}.FISH".upper(), project, query="c")
    assert sorted((row["value"], row["group"], row["data"]["alias"]) for row in rows) == [
        ("Catfish", "Fish", "whiskers"), ("Cods", "Fish", "Gadidae")]
    groups = [row["group"] for row in admin.leaf_suggestion(f"{root}.Fish", project, query="*")]
    assert groups == sorted(groups) and set(groups) == {"Cods (Gadidae)", "Fish", f"{root}.Fish"}
    assert [row["value"] for row in admin.leaf_suggestion(f"{root}.Fish.Cods", project, query="A*C*D")] == ["Atlantic cod"]
    other = add_leaf_type(admin, project)
    grow(admin, project, other, "Cuttlefish", fish["Fish"])
    assert "Cuttlefish" not in [row["value"] for row in admin.leaf_suggestion(f"{root}.Fish", project, query="c")]


def test_pages_of_leaves(admin, project, fish):
    everything = ids(admin.get_leaf_list(project))
    assert ids(admin.get_leaf_list(project, start=1, stop=3)) == everything[1:3]
    assert ids(admin.get_leaf_list(project, sort_by=["-$name"], stop=2)) == [fish["Pacific cod"], fish["Fish"]]
    assert ids(admin.get_leaf_list(project, sort_by=["Rank"], stop=2)) == [fish["Cods"], fish["Eels"]]
    assert ids(admin.get_leaf_list(project, attribute_null=["alias::false"])) == [fish["Cods"]]


def test_a_leaf_is_not_its_own_ancestor(admin, project, fish):
    for parent in ("Cods", "Atlantic cod"):
        refused(400, admin.update_leaf, fish["Cods"], leaf_update={"parent": fish[parent]})
    assert admin.get_leaf(fish["Cods"]).parent == fish["Fish"]
    admin.update_leaf(fish["Atlantic cod"], leaf_update={"attributes": {"Rank": 9}})
    assert admin.get_leaf(fish["Atlantic cod"]).attributes == {"Rank": 9}
    refused(400, admin.update_leaf, fish["Cods"], leaf_update={"attributes": {"Nonsense": 1}})


def test_all_leaves_or_none(admin, project, kind):
    specs = [{"name": "A", "type": kind}, {"name": "B", "type": kind, "attributes": {"Rank": "high"}}]
    refused(400, admin.create_leaf_list, project, body=specs)
    refused(400, admin.create_leaf_list, project, body=[{"name": "A", "type": kind}, {"type": kind}])
    assert admin.get_leaf_count(project) == 0
