#!/usr/bin/env python3
"""Finds bright things in a frame of a media and draws a box around each. See boxes.yaml."""

import argparse
import collections
import logging

import tator
from PIL import Image

# The picture is searched at this width: small enough for plain Python.
WIDTH = 160
# Fewer pixels than this are noise.
SMALLEST = 6


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", required=True)
    parser.add_argument("--token", required=True)
    parser.add_argument("--project", type=int, required=True)
    parser.add_argument("--media", type=int, required=True)
    parser.add_argument("--box-type", default="", help="the id of a localization type; by default the project's first")
    parser.add_argument("--frame", type=int, default=0)
    parser.add_argument("--brightness", type=float, default=0.6, help="of 1, from which on a pixel belongs to a thing")
    parser.add_argument("--count-file", help="where the number of boxes is written")
    return parser.parse_args()


def bright_regions(picture, brightness):
    """Yields (left, top, right, bottom) of connected bright pixels, in parts of the picture."""
    picture = picture.convert("L")
    height = max(1, round(WIDTH * picture.height / picture.width))
    picture = picture.resize((WIDTH, height), Image.Resampling.BOX)
    pixels = picture.load()
    left = {(x, y) for x in range(WIDTH) for y in range(height) if pixels[x, y] >= brightness * 255}
    while left:
        region, waiting = [], collections.deque([left.pop()])
        while waiting:
            x, y = waiting.popleft()
            region.append((x, y))
            for near in ((x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)):
                if near in left:
                    left.remove(near)
                    waiting.append(near)
        if len(region) >= SMALLEST:
            xs, ys = [x for x, _ in region], [y for _, y in region]
            yield min(xs) / WIDTH, min(ys) / height, (max(xs) + 1) / WIDTH, (max(ys) + 1) / height


def box_type(api, project, given):
    if given:
        return int(given)
    types = [kind.id for kind in api.get_localization_type_list(project) if kind.dtype == "box"]
    if not types:
        raise SystemExit("the project has no localization type for boxes: make one, or give --box-type")
    return types[0]


def main():
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    given = arguments()
    api = tator.get_api(given.host, given.token)
    kind = box_type(api, given.project, given.box_type)
    picture = Image.open(api.get_frame(given.media, frames=[given.frame]))
    boxes = [
        {"media_id": given.media, "type": kind, "frame": given.frame, "x": left, "y": top, "width": right - left,
         "height": bottom - top, "attributes": {}}
        for left, top, right, bottom in sorted(bright_regions(picture, given.brightness))
    ]
    for _ in tator.util.chunked_create(api.create_localization_list, given.project, body=boxes):
        pass
    logging.info("media %d, frame %d: %d boxes", given.media, given.frame, len(boxes))
    if given.count_file:
        with open(given.count_file, "w", encoding="ascii") as file:
            file.write(str(len(boxes)))


if __name__ == "__main__":
    main()
