"""Short words for what the tests do again and again through the API."""

import base64
import itertools
import json
import uuid

import pytest
from tator.exceptions import ApiException

MD5 = "d41d8cd98f00b204e9800998ecf8427e"
NOWHERE = 2_000_000_000
_count = itertools.count(1)


def unique(name):
    return f"{name} {uuid.uuid4().hex[:8]}-{next(_count)}"


def refused(status, call, *arguments, **keywords):
    """Calls and expects an ApiException of this status; returns the parsed body."""
    with pytest.raises(ApiException) as caught:
        call(*arguments, **keywords)
    assert caught.value.status == status, caught.value
    return json.loads(caught.value.body)


def sign_in(station, http, name, password):
    """Signs a requests session in with the form that browsers post."""
    http.get(f"{station.url}/check-login/", timeout=60)
    headers = {"X-CSRFToken": http.cookies.get("csrftoken", "")}
    form = {"username": name, "password": password, "csrfmiddlewaretoken": http.cookies.get("csrftoken", "")}
    return http.post(f"{station.url}/accounts/login/", data=form, headers=headers, allow_redirects=False, timeout=60)


def plain_name(name):
    """A user name or mail address part that no other test uses."""
    return unique(name).replace(" ", "_")


def ids(rows):
    return [row.id for row in rows]


def encoded(search):
    return base64.b64encode(json.dumps(search).encode()).decode()


def leaf(attribute, operation, value, inverse=False):
    """One condition of a search object."""
    return {"attribute": attribute, "operation": operation, "value": value, "inverse": inverse}


def add_media_type(api, project, dtype="video", attributes=(), **more):
    spec = {"name": unique(dtype), "dtype": dtype, "attribute_types": list(attributes), **more}
    return api.create_media_type(project, media_type_spec=spec).id


def add_box_type(api, project, media_types, attributes=(), dtype="box", **more):
    spec = {"name": unique(dtype), "dtype": dtype, "media_types": list(media_types), "attribute_types": list(attributes), **more}
    return api.create_localization_type(project, localization_type_spec=spec).id


def add_state_type(api, project, media_types, association, attributes=(), **more):
    spec = {"name": unique(association), "association": association, "media_types": list(media_types),
            "attribute_types": list(attributes), **more}
    return api.create_state_type(project, state_type_spec=spec).id


def add_leaf_type(api, project, attributes=(), **more):
    return api.create_leaf_type(project, leaf_type_spec={"name": unique("leaf"), "attribute_types": list(attributes), **more}).id


def add_video(api, project, media_type, name=None, **more):
    """Records a video without a file: enough for everything but its pictures."""
    spec = {"type": media_type, "name": name or f"{unique('clip')}.mp4", "md5": MD5, **more}
    response = api.create_media_list(project, body=spec)
    return response.id if isinstance(response.id, int) else response.id[0]


def box(media, box_type, frame=0, x=0.1, y=0.2, width=0.3, height=0.4, **more):
    return {"media_id": media, "type": box_type, "frame": frame, "x": x, "y": y, "width": width, "height": height, **more}


def add_boxes(api, project, specs):
    return api.create_localization_list(project, body=specs).id


class Scene:
    """A project with a video type, one video and a box type with an attribute of every common kind."""

    ATTRIBUTES = [
        {"name": "Species", "dtype": "string"},
        {"name": "Count", "dtype": "int", "minimum": 0, "maximum": 10000},
        {"name": "Length", "dtype": "float"},
        {"name": "Certain", "dtype": "bool"},
        {"name": "Stage", "dtype": "enum", "choices": ["egg", "larva", "adult"]},
        {"name": "Seen", "dtype": "datetime"},
        {"name": "Where", "dtype": "geopos"},
    ]

    def __init__(self, api, project, videos=1):
        self.api, self.project = api, project
        self.video_type = add_media_type(api, project, attributes=[{"name": "Camera", "dtype": "string"}])
        self.videos = [add_video(api, project, self.video_type, name=f"clip {n:02d}.mp4") for n in range(videos)]
        self.video = self.videos[0]
        self.box_type = add_box_type(api, project, [self.video_type], self.ATTRIBUTES)

    def add(self, *specs, **defaults):
        """Creates boxes from partial specs and returns their ids."""
        return add_boxes(self.api, self.project, [box(self.video, self.box_type, **{**defaults, **spec}) for spec in specs])

    def list(self, **filters):
        return self.api.get_localization_list(self.project, **filters)

    def found(self, **filters):
        """Ids of the boxes that match; also checks that counting agrees."""
        rows = self.list(**filters)
        counted = {key: value for key, value in filters.items() if key not in ("fields", "sort_by", "start", "stop")}
        if not {"start", "stop"} & set(filters):
            assert self.api.get_localization_count(self.project, **counted) == len(rows)
        return ids(rows)

    def search(self, condition, **filters):
        """Ids of the boxes that match a search object, checked to be the same in every way of asking."""
        by_url = ids(self.list(encoded_search=encoded(condition), **filters))
        by_body = ids(self.api.get_localization_list_by_id(
            self.project, localization_id_query={"object_search": condition}, **filters))
        count = self.api.get_localization_count_by_id(
            self.project, localization_id_query={"object_search": condition}, **filters)
        assert by_url == by_body
        assert count == len(by_url)
        return by_url
