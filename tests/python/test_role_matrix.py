"""Every operation of the published document, as anonymous, as a stranger, and at each level.

The levels are the specification's table (`fixtures/permissions.json`); operations of our own stand in OURS. A request is
made of the document itself: real ids in the path, the smallest body that its component allows and that says enough. Whoever
lacks the level must be refused as such. Whoever has it must succeed, each on things that nobody used up before; what cannot
succeed here stands in CANNOT, with the reason.
"""

import json
import pathlib
import types
import uuid

import pytest
import requests
from station import wait_for
from test_s3 import client_of, make_key
from support import Scene, add_leaf_type, add_media_type, add_state_type, add_video, box, plain_name, unique

FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "fixtures"
SPECIFIED = json.loads((FIXTURES / "permissions.json").read_text())
COUNTED = ["Media", "Localization", "State", "Leaf", "File"]
OURS = {
    "AcceptInvitation": "user", "GetJobLog": "view", "GetJournal": "view",
    **{f"Get{noun}{what}": "view" for noun in COUNTED for what in ("Aggregate", "Histogram", "Timeline")},
    "TextSearch": "user", "TextSearchInProject": "view", "Undo": "edit",
    "GetFrameIndex": "view", "GetFramePackets": "view", "GetFramePicture": "view", "GetMultiFrames": "view", "StreamFrames": "view",
    "GetFrameTimes": "view", "GetRecordingList": "view", "GetRecording": "view", "GetRecordingSegmentList": "view",
    "GetRecordingEventList": "view", "GetRecordingEvent": "view", "CreateRecording": "transfer", "UpdateRecording": "transfer",
    "DeleteRecording": "transfer", "CreateRecordingStates": "edit", "CreateRecordingEvent": "edit", "UpdateRecordingEvent": "edit",
    "DeleteRecordingEvent": "edit",
    "GetProjectQuota": "view", "GetOrganizationQuota": "org_member", "GetStoreBucketQuota": "creator",
    **{f"Update{noun}Quota": "staff" for noun in ("Project", "Organization", "StoreBucket")},
}
# A PUT counts as reading, but for the one that changes a type.
OTHERWISE = {"ReplaceAttributeType": "full", "GetTranscodeListById": "view", "GetRowProtection": "acl",
             "destroyRowProtectionListAPI": "user"}  # it passes over what is not one's to take away
PROJECT = ["viewer", "editor", "transferrer", "executor", "owner"]
LEAST = {"view": "viewer", "edit": "editor", "transfer": "transferrer", "execute": "executor", "full": "owner",
         "acl": "owner"}
# What no membership of a project gives; the administrator of the tests made it all, and is staff.
ABOVE = {"org_admin", "org_member", "staff", "creator"}
MANIFEST = b"""apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: nothing-}
spec:
  entrypoint: nothing
  templates:
  - name: nothing
    container: {image: none, command: ["true"]}
"""
PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-ENDLIST\n"
# Other people's are not there at all.
PRIVATE = {"GetBookmark", "UpdateBookmark", "DeleteBookmark", "GetFavorite", "UpdateFavorite", "DeleteFavorite", "GetStoreBucketQuota",
           "UpdateStoreBucketQuota"}
S3 = {"endpoint_url": "http://127.0.0.1:9", "region_name": "r", "aws_access_key_id": "a", "aws_secret_access_key": "s"}
# What the smallest request does not say: queries and bodies, made of the ground they are for.
QUERIES = {
    "GetClip": {"frame_ranges": "0:1"}, "GetChangeLogList": {"entity_type": "media"}, "GetUserList": {"username": "admin"},
    "UserExists": {"username": "admin"},
    "GetPermalink": {"element": "archival"}, **dict.fromkeys(["CreateVideoFile", "GetVideoFileList"], {"role": "archival"}),
    **{f"{verb}{noun}File": {"role": role, "index": 0} for verb in ("Get", "Update", "Delete")
       for noun, role in (("Video", "archival"), ("Image", "image"), ("Audio", "audio"), ("Auxiliary", "attachment"))},
}
NAMED = ["UpdateApplet", "UpdateAlgorithm", "UpdateSection", "UpdateVersion", "UpdateFile", "UpdateFavorite", "UpdateBookmark",
         "UpdateLeaf", "UpdateMediaType", "UpdateLocalizationType", "UpdateStateType", "UpdateLeafType", "UpdateFileType",
         "UpdateProject", "UpdateOrganization", "UpdateBucket", "UpdateGroup", "CreateMediaType", "CreateLocalizationType",
         "CreateStateType", "CreateLeafType", "CreateFileType", "CreateSection", "CreateVersion", "CreateBucket", "CreateGroup"]
BODIES = {
    **dict.fromkeys(NAMED, lambda g: {"name": unique("n")}),
    **dict.fromkeys(["CreateVideoFile", "CreateImageFile", "CreateAudioFile", "CreateAuxiliaryFile", "UpdateVideoFile",
                     "UpdateImageFile", "UpdateAudioFile", "UpdateAuxiliaryFile"], lambda g: {"path": g.key()}),
    **{f"Get{noun}Aggregate": lambda g: {"group_by": ["$type"]} for noun in COUNTED},
    **{f"Get{noun}Histogram": lambda g: {"key": "$id", "bins": 1} for noun in COUNTED},
    **dict.fromkeys(["GetLocalizationTimeline", "GetStateTimeline"], lambda g: {"over": "$created_datetime", "interval": "day"}),
    "CloneMediaList": lambda g: {"dest_project": g.project, "dest_type": -1},
    "CompleteUpload": lambda g: g.parts(),
    "CreateAffiliation": lambda g: {"user": g.people.owner.id, "permission": "Member"},
    "UpdateAffiliation": lambda g: {"permission": "Admin"},
    "CreateAttributeType": lambda g: {"entity_type": "LocalizationType", "addition": {"name": "New", "dtype": "int"}},
    **dict.fromkeys(["UpdateAttributeType", "ReplaceAttributeType"], lambda g: {
        "entity_type": "LocalizationType", "current_name": "Count", "attribute_type_update": {"name": "Count", "dtype": "int"}}),
    "DeleteAttributeType": lambda g: {"entity_type": "LocalizationType", "name": "Count"},
    "CreateBookmark": lambda g: {"name": "b", "uri": "/"},
    "CreateFavorite": lambda g: {"name": "f", "type": g.box_type, "values": {}, "entity_type_name": "Localization"},
    "CreateFile": lambda g: {"name": "n", "type": g.file_type()},
    **dict.fromkeys(["CreateHostedTemplate", "UpdateHostedTemplate"], lambda g: {"url": g.link()}),
    "CreateInvitation": lambda g: {"email": f"{uuid.uuid4().hex}@example.org"},
    "UpdateInvitation": lambda g: {"permission": "Admin"},
    "CreateJobList": lambda g: {"algorithm_name": g.named_algorithm(), "media_ids": []},
    "CreateLeafList": lambda g: {"name": unique("l"), "type": add_leaf_type(g.api, g.project)},
    "CreateLocalizationList": lambda g: box(g.video, g.box_type),
    "CreateMediaList": lambda g: {"type": g.video_type},
    "CreateMembership": lambda g: {"user": g.people.stranger.id},
    "UpdateMembership": lambda g: {"permission": "Can Edit"},
    "CreateProject": lambda g: {"name": unique("p"), "organization": g.organization},
    "CreateRowProtection": lambda g: g.grant(),
    "UpdateRowProtection": lambda g: {"permission": 3},
    "CreateStateList": lambda g: {"type": add_state_type(g.api, g.project, [g.video_type], "Media"), "media_ids": [g.video]},
    "CreateTemporaryFile": lambda g: {"url": g.link()},
    "MergeStates": lambda g: {"merge_state_id": g.track()},
    "CreateRecording": lambda g: {"media_id": g.live(), "url": g.link(PLAYLIST)},
    "UpdateRecording": lambda g: {"status": "stopped"},
    "RegisterAlgorithm": lambda g: {"name": unique("a"), "user": g.api.whoami().id, "manifest": g.manifest(), "files_per_job": 1},
    "RegisterApplet": lambda g: {"name": unique("a"), "html_file": g.page()},
    "SaveAlgorithmManifest": lambda g: {"name": "m.yaml", "upload_url": g.link(MANIFEST)},
    "SaveGenericFile": lambda g: {"name": "a.html", "upload_url": g.link()},
    "Transcode": lambda g: {"type": g.video_type, "url": g.link(), "uid": str(uuid.uuid4()), "size": 11},
    "Undo": lambda g: g.changed(),
    "UpdateMediaList": lambda g: {"attributes": {"Camera": "bow"}},
    "UpdateSectionList": lambda g: {"path_substitution": {"old": "a", "new": "b"}},
}
MORE = {
    "CreateBucket": lambda g: {"store_type": "MINIO", "config": S3},
    **dict.fromkeys(["CreateLocalizationType", "CreateStateType"], lambda g: {"media_types": [g.video_type]}),
}
NO_FILE = (404, "has no file that pictures could come from")
# What even the right level does not get here: the status, and words of the message that says why.
CANNOT = {
    "AcceptInvitation": (400, "No invitation has this registration token!"),
    "GetFrameTimes": (404, "was not recorded by this station"),
    "GetMultiFrames": (400, "consists of no others"),
    "CreateObtainAuthToken": (400, "Could not authenticate with provided credentials!"),
    "CreatePasswordReset": (400, "Email not enabled"),
    "CreateUser": (400, "Registration token must be supplied in URL!"),
    "DeleteAnnouncement": (404, "No Announcement matches the given query."),
    "GetAnonymousGatewaySchema": (403, "The anonymous gateway is not enabled on this station"),
    "Notify": (503, "Notifications are not enabled"),
    "SendEmail": (400, "Email not enabled"),
    "StreamFrames": (400, "this is a WebSocket"),
    "GetFrame": (404, ""),  # a picture says why
    **dict.fromkeys(["GetClip", "GetFramePackets", "GetFramePicture", "GetLocalizationGraphic", "GetStateGraphic"], NO_FILE),
}
# What Ground.thing makes one of.
NOUNS = ["Affiliation", "Localization", "State", "StateType", "LeafType", "Leaf", "File", "Section", "Version", "Bookmark",
         "Favorite", "Bucket", "TemporaryFile", "Algorithm", "Applet", "HostedTemplate", "JobCluster", "Group", "Invitation", "RowProtection"]


def documented(station):
    document = requests.get(f"{station.url}/schema", timeout=60).json()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield document, path, method, operation


class Ground(Scene):
    """A project with its members and, made when asked for, one of everything that a path may name.

    `person` is whose those things are that everybody sees only of their own; None means the administrator's.
    """

    def __init__(self, admin, people, person=None):
        self.people, self.person = people, person
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
                  "ancestor": "a", "frame": 0, "path": "none", "name": "none"}
        if noun == "StoreBucketQuota":
            values["name"] = self.store_bucket()
        if "{version}" in path:
            row = self.api.get_localization(self.box()) if noun == "Localization" else self.api.get_state(self.track())
            values |= {"version": row.version, "elemental_id": row.elemental_id}
        if "{uid}" in path:
            values["uid"] = self.transcode() if noun == "Transcode" else self.job()
        if "{id}" in path or "{media}" in path:
            values["id"] = values["media"] = self.thing(noun)
        return path.format(**values)

    def store_bucket(self):
        """A bucket of S3 clients that the administrator owns."""
        name = f"b{uuid.uuid4().hex}"
        client_of(make_key(self.people.station)).create_bucket(Bucket=name)
        return name

    def thing(self, noun):
        by_noun = {
            "Affiliation": lambda: self.make("create_affiliation", "affiliation_spec", {
                "user": self.people.viewer.id, "permission": "Member"}),
            "Organization": lambda: self.api.create_organization(organization_spec={"name": unique("Empty")}).id,
            **dict.fromkeys(["Project", "ProjectQuota"], lambda: self.project), "OrganizationQuota": lambda: self.organization,
            "Localization": self.box, "LocalizationGraphic": self.box, "State": self.track, "StateGraphic": self.track,
            "MergeStates": self.track, "TrimStateEnd": self.track, "LocalizationType": lambda: self.box_type,
            "AttributeType": lambda: self.box_type, "MediaType": lambda: self.video_type,
            "StateType": lambda: add_state_type(self.api, self.project, [self.video_type], "Localization"),
            "LeafType": lambda: add_leaf_type(self.api, self.project), "Leaf": self.leaf, "FileType": self.file_type,
            "File": lambda: self.api.create_file(self.project, file_spec={"name": "n", "type": self.file_type()}).id,
            "Section": lambda: self.api.create_section(self.project, section_spec={"name": unique("S")}).id,
            "Version": lambda: self.api.create_version(self.project, version_spec={"name": unique("V")}).id,
            "Membership": lambda: next(m.id for m in self.api.get_membership_list(self.project) if m.user == self.people.viewer.id),
            "Bookmark": lambda: self.own(lambda api: api.create_bookmark(self.project, bookmark_spec={"name": "b", "uri": "/"})),
            "Favorite": lambda: self.own(lambda api: api.create_favorite(self.project, favorite_spec={
                "name": "f", "type": self.box_type, "values": {}, "entity_type_name": "Localization"})),
            "Bucket": lambda: self.make("create_bucket", "bucket_spec", {
                "name": unique("b"), "store_type": "MINIO", "config": S3}),
            "TemporaryFile": self.temporary_file, "Algorithm": self.algorithm, "Applet": self.applet,
            "HostedTemplate": lambda: self.make("create_hosted_template", "hosted_template_spec", {
                "name": unique("t"), "url": self.link(), "headers": [], "tparams": []}),
            "JobCluster": lambda: self.make("create_job_cluster", "job_cluster_spec", {
                "name": unique("c"), "host": "h", "port": 1, "token": "t", "cert": "c"}),
            "Group": lambda: self.make("create_group", "group_spec", {"name": unique("g"), "initial_members": []}),
            **dict.fromkeys(["VideoFile", "ImageFile", "AudioFile", "AuxiliaryFile", "Permalink"], self.recorded),
            **dict.fromkeys(["Recording", "RecordingEvents", "RecordingSegments", "RecordingStates"], self.recording),
            "RecordingEvent": lambda: self.api.create_recording_event(
                self.recording(), recording_event_spec={"text": "seen"}).id,
            "RowProtection": lambda: self.api.create_row_protection(row_protection_spec=self.grant()).id,
            "User": lambda: self.people.viewer.id,
            "Invitation": lambda: self.make("create_invitation", "invitation_spec", {
                "email": f"{uuid.uuid4().hex}@example.org", "permission": "Member"}),
        }
        return by_noun.get(noun, lambda: self.video)()

    def link(self, content=b"not a video"):
        """A link to an upload of a few bytes."""
        info = self.api.get_upload_info(self.project)
        requests.put(info.urls[0], data=content, timeout=60).raise_for_status()
        return self.api.get_download_info(self.project, download_info_spec={"keys": [info.key]})[0].url

    def live(self):
        """A live media of its own, so that its feed is recorded once."""
        kind = add_media_type(self.api, self.project, dtype="live")
        return add_video(self.api, self.project, kind, name="cam")

    def grant(self):
        return {"project": self.project, "user": self.people.viewer.id, "permission": 1}

    def recording(self):
        """A recording of a feed that is over."""
        spec = {"media_id": self.live(), "url": self.link(PLAYLIST)}
        made = self.api.create_recording(self.project, recording_spec=spec).id
        wait_for("the end of the feed", lambda: self.api.get_recording(made).status == "failed")
        return made

    def own(self, make):
        """Makes something of the person's own; whoever may not make it gets the right for a moment."""
        if not self.person:
            return make(self.api).id
        member = next(row.id for row in self.api.get_membership_list(self.project) if row.user == self.person.id)
        self.api.update_membership(member, membership_update={"permission": "Full Control"})
        made = make(self.person.api).id
        self.api.update_membership(member, membership_update={"permission": self.person.level})
        return made

    def changed(self):
        """What takes back a change that the person has made just now."""
        if self.person:
            self.person.api.create_bookmark(self.project, bookmark_spec={"name": "b", "uri": "/"})
        return {"last": 1}

    def key(self):
        return f"{self.organization}/{self.project}/{self.video}/{uuid.uuid4().hex}.mp4"

    def recorded(self):
        """The video, with a record of every kind."""
        for noun, role, more in (("video", "archival", {"codec": "h264", "resolution": [1, 1]}), ("image", "image", {"resolution": [1, 1]}),
                                 ("audio", "audio", {"codec": "aac"}), ("auxiliary", "attachment", {})):
            keyword = f"{noun}_{'file_' if noun == 'auxiliary' else ''}definition"
            getattr(self.api, f"create_{noun}_file")(self.video, role=role, **{keyword: {"path": self.key(), **more}})
        return self.video

    def parts(self):
        """What completes an upload in two parts that are there."""
        info = self.api.get_upload_info(self.project, num_parts=2)
        tags = [requests.put(url, data=b"x", timeout=60).headers["ETag"] for url in info.urls]
        return {"key": info.key, "upload_id": info.upload_id, "bucket_id": None,
                "parts": [{"ETag": tag, "PartNumber": number} for number, tag in enumerate(tags, 1)]}

    def manifest(self):
        spec = {"name": "m.yaml", "upload_url": self.link(MANIFEST)}
        return self.api.save_algorithm_manifest(self.project, algorithm_manifest_spec=spec).url

    def algorithm(self, name=None):
        return self.api.register_algorithm(self.project, algorithm_spec={
            "name": name or unique("a"), "user": self.api.whoami().id, "manifest": self.manifest(), "files_per_job": 1}).id

    def named_algorithm(self):
        name = unique("a")
        self.algorithm(name)
        return name

    def job(self):
        spec = {"algorithm_name": self.named_algorithm(), "media_ids": [self.video]}
        return self.api.create_job_list(self.project, job_spec=spec).id[0]

    def page(self):
        spec = {"name": "a.html", "upload_url": self.link(b"<p>hello</p>")}
        return self.api.save_generic_file(self.project, generic_file_spec=spec).url

    def applet(self):
        return self.api.register_applet(self.project, applet_spec={"name": unique("a"), "html_file": self.page()}).id

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
    name = operation["operationId"]
    query = dict(QUERIES.get(name, {}))
    if name == "destroyRowProtectionListAPI":
        query["project"] = ground.project
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "query" and parameter.get("required") and parameter["name"] not in query:
            query[parameter["name"]] = example(document, parameter["schema"])
    body = operation.get("requestBody")
    content = example(document, next(iter(body["content"].values()))["schema"]) if body else None
    for table in (BODIES, MORE):
        if name in table:
            content |= table[name](ground)
    return {"method": method, "path": ground.at(path), "params": query, "json": content}


def send(station, token, what):
    headers = {"Authorization": f"Token {token}"} if token else {}
    answer = requests.request(what["method"], station.url + what["path"], params=what["params"], json=what["json"],
                              headers=headers, timeout=60, allow_redirects=False)
    # No channel is set up for notices.
    assert answer.status_code < 500 or (what["path"], answer.status_code) == ("/rest/Notify", 503), (what, answer.text[:500])
    return answer.status_code, answer.text


def test_the_table_knows_every_operation(station):
    served = {operation["operationId"] for _, _, _, operation in documented(station)}
    assert served <= SPECIFIED.keys() | OURS.keys()
    assert not SPECIFIED.keys() & OURS.keys()
    table = {row["operation_id"] for row in json.loads((FIXTURES / "operations.json").read_text())}
    assert SPECIFIED.keys() == table
    assert QUERIES.keys() | BODIES.keys() | MORE.keys() | CANNOT.keys() <= served


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

    def may(*allowed):
        """Each of these gets what they ask for; what is changed for one is another one's again."""
        for person in allowed:
            mine = ground if method == "get" and name not in PRIVATE else Ground(admin, people, person)
            asked = what if mine is ground else request(document, mine, path, method, operation)
            code, text = send(station, person.token, asked)
            check(name, operation, person.name, code, text)

    if level == "open":
        for token in (None, people.stranger.token, people.owner.token):
            check(name, operation, "open to all", *send(station, token, what))
        return
    if name == "Whoami":  # the one that tells anonymous callers so in words of its own
        assert send(station, None, what)[0] == 404
        return may(people.stranger)
    code, text = send(station, None, what)
    refusal = "Authentication credentials were not provided."
    # Where pictures are answered, refusals are pictures too.
    assert code == 400 and (text.startswith("\ufffdPNG") or json.loads(text)["message"] == refusal), (name, text[:300])
    nobody = types.SimpleNamespace(token=station.add_user(plain_name("nobody")), name="nobody")
    if level == "self":
        # Others of one's projects may look, and only oneself and staff may change.
        others = [getattr(people, each) for each in PROJECT[1:]]
        for person in [nobody] if method == "get" else [nobody, *others]:
            assert send(station, person.token, what)[0] == 403, (name, person.name)
        return may(people.viewer, *(others if method == "get" else []), people_admin(station))
    if level == "user":
        return may(people.stranger, people.viewer, people.owner)
    everybody = [nobody, people.stranger, *(getattr(people, each) for each in PROJECT)]
    first = len(everybody) if level in ABOVE else everybody.index(getattr(people, LEAST[level]))
    for person in everybody[:first]:
        code, text = send(station, person.token, what)
        assert code in ((403, 404) if name in PRIVATE else (403,)), (name, person.name, code, text[:300])
    may(*(everybody[first:] or [people_admin(station)]))


def check(name, operation, who, code, text):
    """Whether an answer is what somebody gets who may have it, of the very kind that CANNOT tells."""
    if name in CANNOT:
        status, words = CANNOT[name]
        assert code == status and words in text, (name, who, code, text[:300])
    else:
        assert code < 400 and str(code) in operation["responses"], (name, who, code, text[:300])


def people_admin(station):
    """Whoever made the organization."""
    return types.SimpleNamespace(token=station.admin_token, name="admin")
