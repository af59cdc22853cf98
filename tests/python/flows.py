"""Short words for tests of algorithms: save a manifest, register it, launch it, wait for its end."""

import contextlib
import http.server
import textwrap
import threading

from station import wait_for
from support import unique
from tator.util._upload_file import _upload_file

OVER = ("Succeeded", "Failed", "Error")


def link_to(api, project, folder, text, name="flow.yaml"):
    """A link to an upload with this text."""
    path = folder / name
    path.write_text(text)
    for _, info in _upload_file(api, project, str(path)):
        pass
    return api.get_download_info(project, download_info_spec={"keys": [info.key]})[0].url


def manifest(spec):
    """A manifest whose `spec` is this YAML."""
    head = "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata: {generateName: test-}\nspec:\n"
    return head + textwrap.indent(textwrap.dedent(spec), "  ")


def shell(script, more="", beside=""):
    """A manifest of one step that runs a script of bash; `more` lines belong to its template, `beside` ones to the script."""
    text = textwrap.indent(textwrap.dedent(script), " " * 6)
    return manifest(f"entrypoint: main\ntemplates:\n- name: main\n{more}  script:\n    image: any\n    command: [bash]\n"
                    f"{beside}    source: |\n{text}\n")


def save(api, project, folder, text):
    """Saves a manifest and returns its path."""
    url = link_to(api, project, folder, text)
    return api.save_algorithm_manifest(project, algorithm_manifest_spec={"name": "flow.yaml", "upload_url": url}).url


def add_algorithm(api, project, folder, text, **more):
    """Registers a manifest in the caller's name; returns the algorithm's name."""
    name = unique("Algorithm")
    spec = {"name": name, "user": api.whoami().id, "manifest": save(api, project, folder, text), "files_per_job": 100, **more}
    api.register_algorithm(project, algorithm_spec=spec)
    return name


def launch(api, project, name, media, **more):
    """Launches and returns the uids."""
    return api.create_job_list(project, job_spec={"algorithm_name": name, "media_ids": media, **more}).id


def ended(api, uid, secs=120):
    """Waits for the end of a job and returns it."""
    def over():
        job = api.get_job(uid)
        return job if job.status in OVER else None
    return wait_for(f"the end of job {uid}", over, secs)


def log_of(station, uid, node=None, token=None):
    """What a job printed, or one node of it."""
    answer = station.http("GET", f"/rest/JobLog/{uid}", token or station.admin_token, params={"node": node} if node else {})
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    return answer.text


class Flow:
    """Runs manifests in one project over one video."""

    def __init__(self, station, api, project, folder, video):
        self.station, self.api, self.project, self.folder, self.video = station, api, project, folder, video

    def launch(self, text, media=None, algorithm=None, **more):
        name = add_algorithm(self.api, self.project, self.folder, text, **(algorithm or {}))
        return launch(self.api, self.project, name, [self.video] if media is None else media, **more)

    def run(self, text, **more):
        """Runs a manifest to its end; returns the job and all that it printed."""
        job = ended(self.api, self.launch(text, **more)[0])
        return job, log_of(self.station, job.uid)


@contextlib.contextmanager
def web(pages):
    """A web server with these pages, by path; a page may be a function of the request's headers. Yields its address."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            page = pages.get(self.path)
            text = page(self.headers) if callable(page) else page
            self.send_response(200 if text is not None else 404)
            data = (text or "").encode()
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
