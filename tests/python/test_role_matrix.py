"""Every operation of the published document, as anonymous, as a stranger, and at each level.

The levels are the specification's table (`fixtures/permissions.json`); operations of our own stand in OURS. A request is
made of the document itself: real ids in the path, the smallest body that its component allows. Whoever lacks the level must
be refused as such, whatever else is wrong with the request; whoever has it must get past that refusal, and nobody gets a 5xx.
"""

import json
import pathlib
import uuid

import pytest
import requests
import tator
from support import MD5, NOWHERE, Scene, add_leaf_type, add_state_type, unique

FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "fixtures"
SPECIFIED = json.loads((FIXTURES / "permissions.json").read_text())
OURS = {
    "AcceptInvitation": "user", "GetJobLog": "view", "GetJournal": "view",
    **{f"Get{noun}{what}": "view" for noun in ("Media", "Localization", "State", "Leaf", "File")
       for what in ("Aggregate", "Histogram", "Timeline")}, "TextSearch": "user", "TextSearchInProject": "view", "Undo": "edit",
    "GetFrameIndex": "view", "GetFramePackets": "view", "GetFramePicture": "view",
}
# A PUT counts as reading, but for the one that changes a type.
OTHERWISE = {"ReplaceAttributeType": "full", "GetTranscodeListById": "view"}
PROJECT = ["viewer", "editor", "transferrer", "executor", "owner"]
LEAST = {"view": "viewer", "edit": "editor", "transfer": "transferrer", "execute": "executor", "full": "owner"}
# Reached only after a check that needs more than a level; their own tests cover them.
ELSEWHERE = {"self", "acl", "staff", "creator"}
MANIFEST = b"""apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: nothing-}
spec:
  entrypoint: nothing
  templates:
  - name: nothing
    container: {image: none, command: ["true"]}
"""
# Other people's are not there at all.
PRIVATE = {"GetBookmark", "UpdateBookmark", "DeleteBookmark", "GetFavorite", "UpdateFavorite", "DeleteFavorite"}
S3 = {"endpoint_url": "http://127.0.0.1:9", "region_name": "r", "aws_access_key_id": "a", "aws_secret_access_key": "s"}
# Where the smallest body says too little to be refused for the right reason.
BODIES = {
    **dict.fromkeys(["CreateAttributeType", "UpdateAttributeType", "ReplaceAttributeType", "DeleteAttributeType"],
                    {"entity_type": "LocalizationType"}),
    "MergeStates": {"merge_state_id": NOWHERE},
    "UpdateMediaList": {"attributes": {"Camera": "bow"}},
    "CompleteUpload": {"key": "k", "upload_id": "u", "parts": [{"ETag": MD5, "PartNumber": n} for n in (1, 2)]},
    "CreateBucket": {"config": S3},
    "CreateInvitation": {"email": "somebody@example.org"},
    "UpdateSectionList": {"path_substitution": {"old": "a", "new": "b"}},
}
# What Ground.thing makes one of.
NOUNS = ["Affiliation", "Localization", "State", "StateType", "LeafType", "Leaf", "File", "Section", "Version", "Bookmark",
         "Favorite", "Bucket", "TemporaryFile", "Algorithm", "Applet", "HostedTemplate", "JobCluster", "Group", "Invitation"]
DENIED = "You do not have permission to perform this action."


def documented(station):
    document = requests.get(f"{station.url}/schema", timeout=60).json()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield document, path, method, operation


class Ground(Scene):
    """A project with its members and, made when asked for, one of everything that a path may name."""

    def __init__(self, admin, people):
        self.people = people
        organization = admin.create_organization(organization_spec={"name": unique("Institute")}).id
        project = admin.create_project(project_spec={"name": unique("Matrix"), "organization": organization}).id
        self.organization = organization
        for name in PROJECT:
            person = getattr(people, name)
            admin.create_membership(project, membership_spec={"user": person.id, "permission": person.level})
        super().__init__(admin, project)

    def at(self, path):
        """The path with the ids of real things in place of its parameters."""
        noun = path.split("/")[2] if path.startswith("/rest/") else ""
        values = {"project": self.project, "organization": self.organization,
                  "ancestor": "a", "frame": 0, "path": "none"}
        if "{version}" in path:
            row = self.api.get_localization(self.box()) if noun == "Localization" else self.api.get_state(self.track())
            values |= {"version": row.version, "elemental_id": row.elemental_id}
        if "{uid}" in path:
            values["uid"] = self.transcode() if noun == "Transcode" else self.job()
        if "{id}" in path or "{media}" in path:
            values["id"] = values["media"] = self.thing(noun)
        return path.format(**values)

    def thing(self, noun):
        by_noun = {
            "Affiliation": lambda: self.make("create_affiliation", "affiliation_spec", {
                "user": self.people.viewer.id, "permission": "Member"}),
            "Organization": lambda: self.organization, "Project": lambda: self.project,
            "Localization": self.box, "LocalizationGraphic": self.box, "State": self.track, "StateGraphic": self.track,
            "MergeStates": self.track, "TrimStateEnd": self.track, "LocalizationType": lambda: self.box_type,
            "AttributeType": lambda: self.box_type, "MediaType": lambda: self.video_type,
            "StateType": lambda: add_state_type(self.api, self.project, [self.video_type], "Localization"),
            "LeafType": lambda: add_leaf_type(self.api, self.project), "Leaf": self.leaf, "FileType": self.file_type,
            "File": lambda: self.api.create_file(self.project, file_spec={"name": "n", "type": self.file_type()}).id,
            "Section": lambda: self.api.create_section(self.project, section_spec={"name": unique("S")}).id,
            "Version": lambda: self.api.create_version(self.project, version_spec={"name": unique("V")}).id,
            "Membership": lambda: next(m.id for m in self.api.get_membership_list(self.project) if m.user == self.people.viewer.id),
            "Bookmark": lambda: self.api.create_bookmark(self.project, bookmark_spec={"name": "b", "uri": "/"}).id,
            "Favorite": lambda: self.api.create_favorite(self.project, favorite_spec={
                "name": "f", "type": self.box_type, "values": {}, "entity_type_name": "Localization"}).id,
            "Bucket": lambda: self.make("create_bucket", "bucket_spec", {
                "name": unique("b"), "store_type": "MINIO", "config": S3}),
            "TemporaryFile": self.temporary_file, "Algorithm": self.algorithm, "Applet": self.applet,
            "HostedTemplate": lambda: self.make("create_hosted_template", "hosted_template_spec", {
                "name": unique("t"), "url": self.link(), "headers": [], "tparams": []}),
            "JobCluster": lambda: self.make("create_job_cluster", "job_cluster_spec", {
                "name": unique("c"), "host": "h", "port": 1, "token": "t", "cert": "c"}),
            "Group": lambda: self.make("create_group", "group_spec", {"name": unique("g"), "initial_members": []}),
            "Invitation": lambda: self.make("create_invitation", "invitation_spec", {
                "email": f"{uuid.uuid4().hex}@example.org", "permission": "Member"}),
        }
        return by_noun.get(noun, lambda: self.video)()

    def link(self, content=b"not a video"):
        """A link to an upload of a few bytes."""
        info = self.api.get_upload_info(self.project)
        requests.put(info.urls[0], data=content, timeout=60).raise_for_status()
        return self.api.get_download_info(self.project, download_info_spec={"keys": [info.key]})[0].url

    def algorithm(self, name=None):
        spec = {"name": "m.yaml", "upload_url": self.link(MANIFEST)}
        saved = self.api.save_algorithm_manifest(self.project, algorithm_manifest_spec=spec).url
        return self.api.register_algorithm(self.project, algorithm_spec={
            "name": name or unique("a"), "user": self.api.whoami().id, "manifest": saved, "files_per_job": 1}).id

    def job(self):
        name = unique("a")
        self.algorithm(name)
        return self.api.create_job_list(self.project, job_spec={"algorithm_name": name, "media_ids": [self.video]}).id[0]

    def applet(self):
        spec = {"name": "a.html", "upload_url": self.link(b"<p>hello</p>")}
        saved = self.api.save_generic_file(self.project, generic_file_spec=spec).url
        return self.api.register_applet(self.project, applet_spec={"name": unique("a"), "html_file": saved}).id

    def temporary_file(self):
        spec = {"name": "n", "url": self.link(), "lookup": "l", "hours": 1}
        return self.api.create_temporary_file(self.project, temporary_file_spec=spec).id

    def transcode(self):
        spec = {"type": self.video_type, "gid": str(uuid.uuid4()), "uid": str(uuid.uuid4()), "url": self.link(), "name": "x.mp4",
                "section": "New", "md5": "", "size": 11}
        return self.api.transcode(self.project, transcode_spec=spec).id

    def make(self, call, keyword, spec):
        return getattr(self.api, call)(self.organization, **{keyword: spec}).id

    def box(self):
        return self.add({})[0]

    def track(self):
        kind = add_state_type(self.api, self.project, [self.video_type], "Localization")
        spec = {"type": kind, "media_ids": [self.video], "localization_ids": self.add({"frame": 1}, {"frame": 2})}
        return self.api.create_state_list(self.project, body=spec).id[0]

    def leaf(self):
        spec = {"name": unique("Leaf"), "type": add_leaf_type(self.api, self.project)}
        return self.api.create_leaf_list(self.project, body=spec).id[0]

    def file_type(self):
        return self.api.create_file_type(self.project, file_type_spec={"name": unique("file")}).id


def example(document, schema):
    """The smallest value that a schema of the document allows."""
    if "$ref" in schema:
        return example(document, document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]])
    for several in ("oneOf", "anyOf", "allOf"):
        if several in schema:
            return example(document, schema[several][0])
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    if kind == "object" or "properties" in schema:
        required = schema.get("required", [])
        return {name: example(document, schema["properties"][name]) for name in required if name in schema.get("properties", {})}
    if kind == "array":
        return [example(document, schema["items"]) for _ in range(schema.get("minItems", 0))]
    if kind in ("integer", "number"):
        return max(schema.get("minimum", 1), 1)
    if kind == "boolean":
        return False
    return {"uuid": str(uuid.uuid4()), "date-time": "2026-01-01T00:00:00Z", "uri": "http://127.0.0.1/x"}.get(
        schema.get("format"), "x" * max(1, schema.get("minLength", 1)))


def request(document, ground, path, method, operation):
    """What to send for an operation."""
    query = {"frame_ranges": "0:1"} if operation["operationId"] == "GetClip" else {}
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "query" and parameter.get("required") and parameter["name"] not in query:
            query[parameter["name"]] = example(document, parameter["schema"])
    body = operation.get("requestBody")
    content = example(document, next(iter(body["content"].values()))["schema"]) if body else None
    if operation["operationId"] in BODIES:
        content |= BODIES[operation["operationId"]]
    if isinstance(content, dict) and "dest_project" in content:
        content["dest_project"] = ground.project
    return {"method": method, "path": ground.at(path), "params": query, "json": content}


def send(station, token, what):
    headers = {"Authorization": f"Token {token}"} if token else {}
    return requests.request(what["method"], station.url + what["path"], params=what["params"], json=what["json"],
                            headers=headers, timeout=60, allow_redirects=False)


def test_the_table_knows_every_operation(station):
    served = {operation["operationId"] for _, _, _, operation in documented(station)}
    assert served <= SPECIFIED.keys() | OURS.keys()
    assert not SPECIFIED.keys() & OURS.keys()
    table = {row["operation_id"] for row in json.loads((FIXTURES / "operations.json").read_text())}
    assert SPECIFIED.keys() == table


OPERATIONS = sorted(SPECIFIED.keys() | OURS.keys())


@pytest.mark.parametrize("name", OPERATIONS)
def test_everybody(station, admin, people, name):
    found = [entry for entry in documented(station) if entry[3]["operationId"] == name]
    if not found:
        pytest.fail(f"{name} is not served")
    document, path, method, operation = found[0]
    level = (SPECIFIED | OURS | OTHERWISE)[name]
    ground = Ground(admin, people)
    what = request(document, ground, path, method, operation)
    everybody = [None, people.stranger, *(getattr(people, each) for each in PROJECT)]

    def status(person):
        answer = send(station, person and person.token, what)
        # No channel is set up for notices.
        assert answer.status_code < 500 or (name, answer.status_code) == ("Notify", 503), (name, answer.status_code, answer.text[:500])
        return answer.status_code, answer.text

    if level == "open":
        for person in everybody:
            code, text = status(person)
            disabled = name == "GetAnonymousGatewaySchema" and "not enabled" in text
            assert (disabled or code != 403) and "Authentication credentials were not provided" not in text, (name, text)
        return
    if name == "Whoami":  # the one that tells anonymous callers so in words of its own
        assert status(None)[0] == 404 and status(people.stranger)[0] == 200
        return
    code, text = status(None)
    refusal = "Authentication credentials were not provided."
    # Where pictures are answered, refusals are pictures too.
    assert code == 400 and (text.startswith("\ufffdPNG") or json.loads(text)["message"] == refusal), (name, text[:300])
    if level in ELSEWHERE:
        return
    if level == "user":
        code, text = status(people.stranger)
        assert DENIED not in text, (name, text)
        return
    if level in ("org_admin", "org_member"):
        for person in everybody[1:]:
            assert status(person)[0] == 403, (name, person.name)
        code, text = status(people_admin(station))
        assert DENIED not in text, (name, text)
        return
    least = PROJECT.index(LEAST[level])
    refused = [people.stranger, *(getattr(people, each) for each in PROJECT[:least])]
    for person in refused:
        code, text = status(person)
        assert code in ((403, 404) if name in PRIVATE else (403,)), (name, person.name, code, text[:300])
    code, text = status(getattr(people, PROJECT[least]))
    assert DENIED not in text, (name, text[:300])


def people_admin(station):
    """Whoever made the organization."""
    return type("Person", (), {"token": station.admin_token, "name": "admin"})
