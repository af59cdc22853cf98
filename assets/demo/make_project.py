"""Makes the demonstration project through the API: media types, and boxes, lines, points and outlines to draw.

    TOKEN=… python3 make_project.py http://127.0.0.1:8080 NAME

Does nothing if a project of that name is there. Uses nothing but Python itself.
"""

import json
import os
import sys
import urllib.request

SPECIES = ["ray", "shark", "turtle", "bicycle", "person"]
LABEL = {"name": "Species", "dtype": "enum", "choices": SPECIES, "order": 0, "description": "What it is"}
COUNT = {"name": "Count", "dtype": "int", "minimum": 1, "default": 1, "order": 1, "description": "How many individuals"}
NOTE = {"name": "Note", "dtype": "string", "style": "long_string", "order": 9}
SHAPES = [
    {"name": "Organism", "dtype": "box", "attribute_types": [LABEL, COUNT, NOTE], "color_map": {"default": "#45d3c4"}},
    {"name": "Sighting", "dtype": "dot", "attribute_types": [LABEL, NOTE], "color_map": {"default": "#7cb7ff"}},
    {"name": "Measurement", "dtype": "line", "attribute_types": [NOTE], "color_map": {"default": "#ffb454"}},
    {"name": "Habitat", "dtype": "poly", "attribute_types": [NOTE], "color_map": {"default": "#b7e36a"}},
]


def call(method, url, body=None):
    headers = {"Authorization": f"Token {os.environ['TOKEN']}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method), timeout=60) as answer:
        return json.load(answer)


def main():
    station, name = sys.argv[1:]
    if any(project["name"] == name for project in call("GET", f"{station}/rest/Projects")):
        return
    organization = call("GET", f"{station}/rest/Organizations")[0]["id"]
    project = call("POST", f"{station}/rest/Projects", {"name": name, "organization": organization,
                                                       "summary": "Short clips to try everything on"})["id"]
    media = [call("POST", f"{station}/rest/MediaTypes/{project}", {"name": dtype.capitalize(), "dtype": dtype})["id"]
             for dtype in ("video", "image")]
    for shape in SHAPES:
        call("POST", f"{station}/rest/LocalizationTypes/{project}", {**shape, "line_width": 2, "media_types": media})


if __name__ == "__main__":
    main()
