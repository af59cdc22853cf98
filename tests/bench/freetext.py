"""Free text over HTTP, against tantivy in process."""

import json
import random
import statistics
import time

from measure import SEED, Client, check, figure, settle, started

BATCH = 500

HITS = 50  # that a question asks for


def text_rows(count):
    """Notes of twelve words each, few of them frequent and many rare, as words are."""
    dice = random.Random(SEED)
    words = [f"{a}{b}{c}" for a in "bcdfglmnprst" for b in ("a", "e", "i", "o", "u", "ar", "el", "in", "or") for c in
             ("ba", "cus", "dea", "fin", "gon", "lia", "mus", "na", "pis", "ra", "sta", "tor")]
    weights = [1 / (place + 1) for place in range(len(words))]
    return words, [" ".join(dice.choices(words, weights, k=12)) for _ in range(count)]


def text_questions(words, notes, count):
    """(as we write it, as the peer writes it): a word, two words that both must be there, two in a row."""
    dice = random.Random(SEED + 1)
    questions = []
    for number in range(count):
        one, other = dice.choice(words[:600]), dice.choice(words[:60])
        note = dice.choice(notes).split()
        at = dice.randrange(len(note) - 1)
        run = f'"{note[at]} {note[at + 1]}"'
        questions.append([(one, one), (f"{one} {other}", f"+{one} +{other}"), (run, run)][number % 3])
    return questions


class TextGround:
    """A project of boxes with notes, and questions of it."""

    def __init__(self, station, notes):
        self.client = client = Client(station)
        organization = client.json("POST", "/rest/Organizations", {"name": "Bench text"})["id"]
        self.project = client.json("POST", "/rest/Projects", {"name": "Text", "organization": organization})["id"]
        video = client.json("POST", f"/rest/MediaTypes/{self.project}", {"name": "video", "dtype": "video"})["id"]
        self.kind = client.json("POST", f"/rest/LocalizationTypes/{self.project}", {
            "name": "box", "dtype": "box", "media_types": [video], "attribute_types": [{"name": "Note", "dtype": "string"}]})["id"]
        self.media = client.json("POST", f"/rest/Medias/{self.project}", {"type": video, "name": "v.mp4", "md5": ""})["id"]
        for start in range(0, len(notes), BATCH):
            self.add(notes[start:start + BATCH])

    def add(self, notes):
        rows = [{"media_id": self.media, "type": self.kind, "frame": 0, "x": 0.1, "y": 0.1, "width": 0.1, "height": 0.1,
                 "attributes": {"Note": note}} for note in notes]
        return self.client.json("POST", f"/rest/Localizations/{self.project}", rows)["id"]

    def ask(self, query):
        body = json.dumps({"query": query, "stop": HITS, "highlight": False}).encode()
        before = time.perf_counter()
        answer = self.client.send("PUT", f"/rest/TextSearch/{self.project}", body)
        return time.perf_counter() - before, json.loads(answer)

    def empty(self):
        before = time.perf_counter()
        self.client.send("GET", "/rest/User/GetCurrent")
        return time.perf_counter() - before


def text_peer(folder, notes):
    """tantivy in this process, with the same notes and a number for each; a question's time and count."""
    import tantivy
    schema = tantivy.SchemaBuilder()
    schema.add_text_field("note", stored=False)
    schema.add_integer_field("number", stored=True, indexed=True, fast=True)
    index = tantivy.Index(schema.build(), path=str(folder))
    writer = index.writer(50_000_000, 1)
    for number, note in enumerate(notes):
        writer.add_document(tantivy.Document(note=note, number=number))
    writer.commit()
    writer.wait_merging_threads()
    index.reload()
    searcher = index.searcher()

    def ask(query):
        before = time.perf_counter()
        found = searcher.search(index.parse_query(query, ["note"]), HITS)
        numbers = [searcher.doc(place)["number"][0] for _, place in found.hits]
        wall = time.perf_counter() - before
        return wall, found.count, numbers

    return ask


def text(arguments, dice, folder):
    words, notes = text_rows(arguments.notes)
    questions = text_questions(words, notes, arguments.questions)
    station = started(folder / "text")
    try:
        ground = TextGround(station, notes)
        settle(station)
        peer_folder = folder / "peer-text"
        peer_folder.mkdir()
        theirs = text_peer(peer_folder, notes)
        ours_secs, peer_secs, empty_secs = [], [], []
        for _ in range(arguments.rounds):
            for mine, other in questions:
                turns = [lambda q=mine: ours_secs.append(ground.ask(q)), lambda q=other: peer_secs.append(theirs(q)),
                         lambda: empty_secs.append(ground.empty())]
                dice.shuffle(turns)
                for turn in turns:
                    turn()
                check(ours_secs[-1][1]["total"] == peer_secs[-1][1],
                      f"{mine}: {ours_secs[-1][1]['total']} found, {peer_secs[-1][1]} by the peer")
        own = statistics.median(secs for secs, _ in ours_secs)
        peer_p50, empty = statistics.median(secs for secs, *_ in peer_secs), statistics.median(empty_secs)
        fresh, quiet = text_fresh(ground, arguments.writes)
        check(station.stop() == 0, "the station did not end well")
    finally:
        station.remove()
    return {"text_p50": figure(own / (peer_p50 + empty), "<= 2", transect_p50_ms=own * 1e3, tantivy_p50_ms=peer_p50 * 1e3,
                               empty_request_p50_ms=empty * 1e3, notes=len(notes)),
            "text_write_findable_added_p99_ms": {"value": round((fresh - quiet) * 1e3, 3), "floor": "<= 50",
                                                 "query_after_write_p99_ms": round(fresh * 1e3, 3),
                                                 "same_query_again_p50_ms": round(quiet * 1e3, 3), "writes": arguments.writes}}


def text_fresh(ground, count):
    """(the 99th percentile of the query that follows a write and must find it, the median of the same query again)"""
    after, again = [], []
    for number in range(count):
        word = f"fresh{number}x"
        made, = ground.add([word])
        secs, answer = ground.ask(word)
        check([hit["id"] for hit in answer["hits"]] == [made], "the next query did not find what was written")
        after.append(secs)
        again.append(ground.ask(word)[0])
    return sorted(after)[int(len(after) * 0.99)], statistics.median(again)
