"""The published document: clients build themselves from it, so its names are part of the contract."""

import json
import pathlib
import re

import pytest
import requests
import tator
from tator.openapi.client import pythonify_operation_id

METHODS = {"get", "put", "post", "patch", "delete"}
ERRORS = {"400": "BadRequestResponse", "404": "NotFoundResponse"}
# What the other tests in this folder rely on; an operation that is gone shows up here first, by name.
CORE = """
CreateObtainAuthToken Whoami GetUser GetUserList UpdateUser UserExists
GetOrganizationList CreateOrganization GetOrganization UpdateOrganization DeleteOrganization
GetAffiliationList CreateAffiliation GetAffiliation UpdateAffiliation DeleteAffiliation
GetProjectList CreateProject GetProject UpdateProject DeleteProject
GetMembershipList CreateMembership GetMembership UpdateMembership DeleteMembership
GetVersionList CreateVersion GetVersion UpdateVersion DeleteVersion
GetSectionList CreateSection UpdateSectionList destroySectionListAPI GetSection UpdateSection DeleteSection
GetBookmarkList CreateBookmark GetBookmark UpdateBookmark DeleteBookmark
GetFavoriteList CreateFavorite GetFavorite UpdateFavorite DeleteFavorite GetChangeLogList
GetMediaTypeList CreateMediaType GetMediaType UpdateMediaType DeleteMediaType
GetLocalizationTypeList CreateLocalizationType GetLocalizationType UpdateLocalizationType DeleteLocalizationType
GetStateTypeList CreateStateType GetStateType UpdateStateType DeleteStateType
GetLeafTypeList CreateLeafType GetLeafType UpdateLeafType DeleteLeafType
GetFileTypeList CreateFileType GetFileType UpdateFileType DeleteFileType
CreateAttributeType ReplaceAttributeType UpdateAttributeType DeleteAttributeType
GetMediaList CreateMediaList GetMediaListById UpdateMediaList DeleteMediaList GetMedia UpdateMedia DeleteMedia
GetMediaCount GetMediaCountById GetMediaStats GetMediaNext GetMediaPrev GetFrame GetClip
GetLocalizationList CreateLocalizationList GetLocalizationListById UpdateLocalizationList DeleteLocalizationList
GetLocalization UpdateLocalization DeleteLocalization GetLocalizationCount GetLocalizationCountById
GetLocalizationByElementalId UpdateLocalizationByElementalId DeleteLocalizationByElementalId
GetStateList CreateStateList GetStateListById UpdateStateList DeleteStateList GetState UpdateState DeleteState
GetStateByElementalId UpdateStateByElementalId DeleteStateByElementalId
GetStateCount GetStateCountById MergeStates TrimStateEnd
GetLocalizationGraphic GetStateGraphic
LeafSuggestion GetLeafList CreateLeafList GetLeafListById UpdateLeafList DeleteLeafList GetLeaf UpdateLeaf DeleteLeaf
GetLeafCount GetLeafCountById GetFileList CreateFile GetFile UpdateFile DeleteFile
GetUploadInfo CompleteUpload GetDownloadInfo Transcode
""".split()


@pytest.fixture(scope="module")
def schema(station):
    return json.loads(requests.get(f"{station.url}/schema", timeout=60).text)


@pytest.fixture(scope="module")
def served(schema):
    """operationId → (method, path, operation)"""
    return {operation["operationId"]: (method.upper(), path, operation)
            for path, item in schema["paths"].items() for method, operation in item.items()}


@pytest.fixture(scope="module")
def known():
    rows = json.loads((pathlib.Path(__file__).parents[1] / "fixtures" / "operations.json").read_text())
    return {row["operation_id"]: row for row in rows}


def component(schema):
    """Returns the name of a bare reference, `[Name]` for an array of it, `oneOf`, or None."""
    if "$ref" in schema:
        return schema["$ref"].split("/")[-1]
    if schema.get("type") == "array" and "$ref" in schema.get("items", {}):
        return f"[{component(schema['items'])}]"
    return "oneOf" if "oneOf" in schema else None


def test_path_items_hold_operations_only(schema):
    for path, item in schema["paths"].items():
        assert set(item) <= METHODS, path
        for method, operation in item.items():
            assert isinstance(operation.get("operationId"), str), (path, method)


def test_core_operations_are_served(served):
    assert [name for name in CORE if name not in served] == []


def test_names_paths_and_methods_are_the_known_ones(served, known):
    wrong = {name: (method, path) for name, (method, path, _) in served.items()
             if name in known and (known[name]["method"], known[name]["path"]) != (method, path)}
    assert wrong == {}
    taken = {(row["method"], row["path"]): name for name, row in known.items()}
    renamed = {name: taken[method, path] for name, (method, path, _) in served.items()
               if taken.get((method, path), name) != name}
    assert renamed == {}


def test_python_names_are_unique(served):
    names = [pythonify_operation_id(name) for name in served]
    assert sorted(set(names)) == sorted(names)


def test_bodies_carry_the_known_component(served, known):
    wrong = {}
    for name, (_, _, operation) in served.items():
        if name not in known:
            continue
        content = operation.get("requestBody", {}).get("content", {})
        found = component(content["application/json"]["schema"]) if content else None
        if found != known[name]["body"]:
            wrong[name] = (found, known[name]["body"])
    assert wrong == {}


def test_answers_carry_the_known_component_for_the_status_sent(served, known):
    wrong = {}
    for name, (_, _, operation) in served.items():
        if name not in known:
            continue
        row = known[name]
        answer = operation["responses"].get(str(row["status"]))
        if answer is None:
            wrong[name] = ("no answer declared for", row["status"])
        elif row["response"]:
            found = component(answer["content"]["application/json"]["schema"])
            if found != row["response"]:
                wrong[name] = (found, row["response"])
    assert wrong == {}


def test_rest_operations_declare_the_error_bodies(served, known):
    wrong = []
    for name, (_, path, operation) in served.items():
        if name in known and path.startswith("/rest/") and name != "GetFrame":
            for status, expected in ERRORS.items():
                content = operation["responses"].get(status, {}).get("content", {})
                if component(content.get("application/json", {}).get("schema", {})) != expected:
                    wrong.append((name, status))
    assert wrong == []


def test_references_resolve(schema):
    dangling = []

    def walk(node):
        if isinstance(node, dict):
            target = node.get("$ref")
            if isinstance(target, str):
                found = schema
                for part in target.removeprefix("#/").split("/"):
                    found = found.get(part, {})
                if not found:
                    dangling.append(target)
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(schema)
    assert dangling == []


def test_parameters(served):
    for name, (_, path, operation) in served.items():
        for parameter in operation.get("parameters", []):
            assert parameter["in"] in ("query", "path", "header"), name
            if parameter["in"] == "query" and parameter["schema"].get("type") == "array":
                assert (parameter.get("style"), parameter.get("explode")) == ("form", False), (name, parameter["name"])
        declared = {parameter["name"] for parameter in operation.get("parameters", []) if parameter["in"] == "path"}
        assert declared == {part.strip("{}") for part in path.split("/") if part.startswith("{")}, name


def test_filters_are_declared(served):
    def query(name):
        return {p["name"] for p in served[name][2]["parameters"] if p["in"] == "query"}

    attributes = {f"attribute{suffix}" for suffix in ("", "_lt", "_lte", "_gt", "_gte", "_contains", "_distance", "_null")}
    related = {f"related_{name}" for name in attributes} | {"encoded_related_search"}
    paging = {"start", "stop", "encoded_search", "sort_by"}
    annotations = {"media_id", "related_id", "section", "multi_section", "type", "version", "after", "elemental_id", "merge",
                   "show_deleted", "show_all_marks"} | attributes | paging | related
    media = {"media_id", "type", "name", "section", "multi_section", "dtype", "md5", "gid", "uid", "after", "after_name",
             "archive_lifecycle", "elemental_id"} | attributes | paging | related
    for verb in ("Get{}List", "Get{}ListById", "Get{}Count", "Get{}CountById", "Update{}List", "Delete{}List"):
        assert annotations | {"frame"} <= query(verb.format("Localization"))
        assert annotations <= query(verb.format("State"))
        assert media <= query(verb.format("Media"))
    for name in ("Media", "Localization", "State"):
        assert "fields" in query(f"Get{name}List")
        assert "count" in query(f"Update{name}List") & query(f"Delete{name}List")
    assert {"presigned", "no_cache", "presign_only"} <= query("GetMediaList")
    assert {"frames", "tile", "roi", "force_scale", "animate", "quality"} <= query("GetFrame")


def test_defaults_that_the_transcoder_reads(schema):
    def defaults(name):
        return {key: value["default"] for key, value in schema["components"]["schemas"][name]["properties"].items()
                if "default" in value}

    assert defaults("EncodeConfig") == {"vcodec": "hevc", "crf": 23, "preset": "fast", "movflags": "", "tune": "fastdecode",
                                        "pixel_format": "yuv420p"}
    assert defaults("ResolutionConfig") == {"vcodec": "h264", "crf": 23, "preset": "", "pixel_format": "yuv420p"}


def test_document_is_public_tagged_and_revalidates(station):
    first = requests.get(f"{station.url}/schema", timeout=60)
    assert first.status_code == 200
    tag = first.headers["ETag"]
    again = requests.get(f"{station.url}/schema", headers={"If-None-Match": tag}, timeout=60)
    assert (again.status_code, again.content) == (304, b"")
    other = requests.get(f"{station.url}/schema", headers={"If-None-Match": '"something else"'}, timeout=60)
    assert other.status_code == 200
    assert requests.get(f"{station.url}/schema/", timeout=60).json() == first.json()


def test_client_types_results_and_reuses_the_document(station, admin, project, monkeypatch):
    statuses = []
    real = requests.get

    def watch(*arguments, **options):
        answer = real(*arguments, **options)
        statuses.append(answer.status_code)
        return answer

    monkeypatch.setattr(requests, "get", watch)
    api = tator.get_api(station.url, station.admin_token)
    assert statuses == [304]
    assert isinstance(api.get_project(project), tator.models.Project)
    assert isinstance(api.whoami(), tator.models.User)
    assert isinstance(api.get_version_list(project)[0], tator.models.Version)
    created = api.create_version(project, version_spec={"name": "Second"})
    assert isinstance(created, tator.models.CreateResponse)
    assert isinstance(api.delete_version(created.id), tator.models.MessageResponse)


def test_old_generated_clients_find_the_generic_components(schema):
    names = schema["components"]["schemas"]
    assert {"CreateResponse", "CreateListResponse", "MessageResponse", "BadRequestResponse", "NotFoundResponse", "Token",
            "Credentials", "AttributeType", "AttributeOperationSpec", "FloatArrayQuery", "MediaFiles",
            "VideoDefinition"} <= set(names)
    for generic in ("CreateResponse", "CreateListResponse"):
        assert {"message", "id"} <= set(names[generic]["properties"])


# Keys that the document of 1.5.0 lacks: of later servers, undeclared there but read, or our own.
MORE_KEYS = {
    **dict.fromkeys(["Algorithm", "AlgorithmSpec", "Applet", "AppletSpec", "LeafTypeSpec", "LeafTypeUpdate", "LocalizationType",
                     "LocalizationTypeSpec", "MediaType", "MediaTypeSpec", "MediaTypeUpdate"], "extended_info"),
    **dict.fromkeys(["Localization", "Media", "MediaSpec", "MediaUpdate", "Section", "SectionSpec", "SectionUpdate", "State"],
                    "master_section"),
    **dict.fromkeys(["OrganizationSpec", "ProjectSpec"], "permission_model"),
    **dict.fromkeys(["MediaFiles", "MultiDefinition"], "timeDrift timeOffset"),
    "CloneMediaSpec": "dest_section_id", "VideoDefinition": "bucket_id", "LeafType": "extended_info visible",
    "LocalizationTypeUpdate": "extended_info media_types", "StateTypeUpdate": "media_types", "LeafUpdate": "parent",
    "LocalizationUpdate": "version", "StateUpdate": "version media_ids localization_ids", "MediaBulkUpdate": "primary_section",
    "Favorite": "project localization_type_id state_type_id", "FloatArrayQuery": "lower_bound upper_bound", "JobNode": "message progress",
}
# Keys without which there is nothing to do; 1.5.0 says so only once it has tried.
MORE_REQUIRED = {
    "AttributeCombinatorSpec": "method operations", "AttributeFilterSpec": "attribute operation",
    "AttributeTypeDelete": "entity_type name", "AttributeTypeSpec": "entity_type addition",
}
MORE_PARAMETERS = {"CloneMediaList": "REL", "DeleteProject": "prune", "GetLocalizationGraphic": "max_height", "GetProjectList": "deleted"}


@pytest.fixture(scope="module")
def published():
    """The document of 1.5.0: components and parameters by name, `*` for what is required, `=` for defaults."""
    return json.loads((pathlib.Path(__file__).parents[1] / "fixtures" / "document.json").read_text())


def members(text):
    """name → (whether it is required, its default)"""
    found = re.findall(r'(\*?)(\w+)(?:=("[^"]*"|\S+))?', text)
    return {name: (bool(star), json.loads(default) if default else None) for star, name, default in found}


def test_components_have_the_published_members(schema, published):
    components = schema["components"]["schemas"]
    assert published["components"].keys() <= components.keys()
    assert MORE_KEYS.keys() | MORE_REQUIRED.keys() <= published["components"].keys()
    for name, text in published["components"].items():
        if text is None:  # alternatives and lists
            assert not {"properties", "required"} & components[name].keys(), name
            continue
        wanted, properties = members(text), components[name].get("properties", {})
        assert properties.keys() == wanted.keys() | set(MORE_KEYS.get(name, "").split()), name
        required = {key for key, (required, _) in wanted.items() if required}
        assert set(components[name].get("required", [])) == required | set(MORE_REQUIRED.get(name, "").split()), name
        defaults = {key: default for key, (_, default) in wanted.items() if default is not None}
        given = {key: properties[key]["default"] for key in wanted if "default" in properties[key]}
        assert given == defaults, name


def test_operations_have_the_published_parameters(served, published):
    def spread(text):
        for word in text.split():
            yield from spread(published["sets"][word]) if word in published["sets"] else [word]

    assert MORE_PARAMETERS.keys() <= published["queries"].keys()
    for name, text in published["queries"].items():
        given = {("*" if one.get("required") else "") + one["name"] for one in served[name][2].get("parameters", []) if one["in"] == "query"}
        assert given == set(spread(f"{text} {MORE_PARAMETERS.get(name, '')}")), name
