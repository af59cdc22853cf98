"""Launched algorithms: what they are given, how they go on, and how they are called off."""

import datetime
import json
import pathlib
import socket
import time
import uuid

import pytest
import tator
from flows import Flow, add_algorithm, ended, launch, log_of, manifest, shell
from station import wait_for
from support import NOWHERE, add_media_type, add_video, refused, unique

JOB = {"id", "uid", "gid", "user", "project", "nodes", "status", "start_time", "stop_time", "media_ids", "alg_id", "message"}
NODE = {"id", "children", "task", "status", "start_time", "stop_time", "message"}


@pytest.fixture
def videos(admin, project):
    kind = add_media_type(admin, project)
    return [add_video(admin, project, kind) for _ in range(3)]


@pytest.fixture
def flow(station, admin, project, tmp_path, videos):
    return Flow(station, admin, project, tmp_path, videos[0])


def flow_at(station, folder):
    """A project of its own at a station of its own."""
    api = tator.get_api(station.url, station.admin_token)
    organization = api.create_organization(organization_spec={"name": unique("Institute")}).id
    project = api.create_project(project_spec={"name": unique("Dive"), "organization": organization}).id
    return Flow(station, api, project, folder, add_video(api, project, add_media_type(api, project)))


def running_with(mark):
    """Processes of this machine whose command line holds a text."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if mark in line and "pytest" not in line:
                found.append((int(entry.name), line))
    return found


def test_one_workflow_for_each_batch(station, admin, project, videos, tmp_path):
    name = add_algorithm(admin, project, tmp_path, shell("echo {{workflow.parameters.media_ids}}"), files_per_job=2)
    answer = station.http("POST", f"/rest/Jobs/{project}", station.admin_token,
                          json={"algorithm_name": name, "media_ids": [videos[2], videos[0], videos[1]]})
    assert answer.status_code == 201
    answer = answer.json()
    assert answer["message"] == f"Algorithm {name} started successfully!"
    assert [job["uid"] for job in answer["object"]] == answer["id"] and len(answer["id"]) == 2
    assert [job["status"] for job in answer["object"]] == ["Running", "Running"]
    assert [job["media_ids"] for job in answer["object"]] == [[videos[2], videos[0]], [videos[1]]]
    jobs = [ended(admin, uid) for uid in answer["id"]]
    assert [log_of(station, job.uid).splitlines()[1] for job in jobs] == [f"{videos[2]},{videos[0]}", str(videos[1])]
    row = station.http("GET", f"/rest/Job/{answer['id'][0]}", station.admin_token).json()
    assert set(row) == JOB and all(set(node) == NODE for node in row["nodes"])
    algorithm = next(one for one in admin.get_algorithm_list(project) if one.name == name)
    assert (row["status"], row["message"], row["alg_id"]) == ("Succeeded", "", algorithm.id)
    assert (row["project"], row["user"]) == (str(project), str(admin.whoami().id))
    assert uuid.UUID(row["uid"]) and uuid.UUID(row["gid"]) and row["gid"] == answer["object"][1]["gid"]
    began, over = (datetime.datetime.fromisoformat(row[key]) for key in ("start_time", "stop_time"))
    assert began <= over
    assert [(node["id"], node["task"], node["status"], node["children"]) for node in row["nodes"]] == [
        (row["id"], row["id"], "Succeeded", [])]


def test_lists_and_calling_off(admin, project, videos, tmp_path, members):
    name = add_algorithm(admin, project, tmp_path, shell("true"), files_per_job=1)
    first = launch(admin, project, name, videos[:2])
    second = launch(admin, project, name, videos[1:])
    for uid in first + second:
        ended(admin, uid)
    gid = admin.get_job(first[0]).gid

    def uids(**filters):
        return [job.uid for job in admin.get_job_list(project, **filters)]

    assert uids() == first + second
    assert uids(gid=gid) == first
    assert uids(media_id=[videos[1]]) == [first[1], second[0]]
    assert uids(gid=gid, media_id=[videos[2]]) == []
    assert uids(gid=str(uuid.uuid4())) == []
    assert [job.uid for job in members.viewer.api.get_job_list(project)] == first + second
    assert members.viewer.api.get_job(first[0]).uid == first[0]
    refused(403, members.transferrer.api.delete_job, first[0])
    refused(403, members.transferrer.api.delete_job_list, project)
    refused(403, members.stranger.api.get_job_list, project)
    refused(403, members.stranger.api.get_job, first[0])
    assert members.executor.api.delete_job(second[1]).message == f"Job with UID {second[1]} deleted!"
    refused(404, admin.get_job, second[1])
    refused(404, admin.delete_job, second[1])
    assert admin.delete_job_list(project, gid=gid).message == f"Deleted 2 jobs for project {project}!"
    assert uids() == [second[0]]
    assert admin.delete_job_list(project).message == f"Deleted 1 jobs for project {project}!"
    assert admin.delete_job_list(project).message == f"Deleted 0 jobs for project {project}!"
    refused(404, admin.get_job, str(uuid.uuid4()))


def test_launch_refused(station, admin, project, videos, tmp_path, members):
    text = manifest("""
        entrypoint: main
        arguments: {parameters: [{name: model}]}
        templates: [{name: main, container: {image: any, command: [echo, '{{workflow.parameters.model}}']}}]
    """)
    name = add_algorithm(admin, project, tmp_path, text)
    answer = refused(404, launch, admin, project, unique("nothing"), videos)
    assert answer["message"] == "Algorithm matching query does not exist."
    for person in (members.transferrer, members.stranger):
        refused(403, launch, person.api, project, name, videos)
    assert f"Media {NOWHERE}" in refused(400, launch, admin, project, name, [NOWHERE])["message"]
    assert "model has no value" in refused(400, launch, admin, project, name, videos)["message"]
    extra = [{"name": "model", "value": "fish"}]
    assert launch(admin, project, name, [], extra_params=extra) == []
    letter = {"recipients": ["a@b.org"], "subject": "s", "text": "t"}
    uid = launch(members.executor.api, project, name, videos, extra_params=extra)[0]
    assert ended(admin, uid).status == "Succeeded"
    assert "fish" in log_of(station, uid)
    # Without a mail server the letter is lost, and the work is not.
    uid = launch(admin, project, name, videos, extra_params=extra, success_email_spec=letter)[0]
    assert ended(admin, uid).status == "Succeeded"


def test_an_algorithm_for_a_cluster_runs_on_the_station(admin, project, organization, videos, tmp_path, members):
    name = add_algorithm(admin, project, tmp_path, shell("echo fish"))
    cluster = admin.create_job_cluster(organization, job_cluster_spec={
        "name": "Argo", "host": "argo.example.org", "port": 443, "token": "hidden", "cert": "PEM"}).id
    algorithm = next(one for one in admin.get_algorithm_list(project) if one.name == name)
    admin.update_algorithm(algorithm.id, algorithm_update_spec={"cluster": cluster})
    assert ended(admin, launch(admin, project, name, videos)[0]).status == "Succeeded"
    # What runs here must be somebody's who may run things here.
    admin.update_algorithm(algorithm.id, algorithm_update_spec={"user": members.owner.id})
    assert "staff" in refused(403, launch, admin, project, name, videos)["message"]


def test_what_a_workflow_is_given(station, admin, project, flow, videos):
    names = ["name", "media_ids", "gid", "uid", "host", "rest_url", "tus_url", "project_id", "own", "default", "extra", "whole"]
    labels = [f"labels.{name}" for name in ("job_type", "project", "gid", "uid", "user")]
    annotations = [f"annotations.{name}" for name in ("media_ids", "name", "alg_id")]
    lines = [f"echo '{name}={{{{workflow.{name}}}}}'" for name in [f"parameters.{name}" for name in names] + labels + annotations]
    text = manifest("""
        entrypoint: main
        arguments: {parameters: [{name: own, value: mine}, {name: default, value: old}, {name: extra, value: old}, {name: whole}]}
        templates:
        - name: main
          script:
            image: any
            command: [bash]
            source: |
    """) + "".join(f"\n              {line}" for line in lines)
    job, log = flow.run(text, media=videos, extra_params=[{"name": "extra", "value": "new"}, {"name": "whole", "value": 3}],
                        algorithm={"parameters": [{"name": "default", "value": 0.5}, {"name": "extra", "value": "unseen"}]})
    assert job.status == "Succeeded"
    given = dict(line.split("=", 1) for line in log.splitlines() if "=" in line and not line.startswith("==>"))
    algorithm = next(one for one in admin.get_algorithm_list(project))
    media = ",".join(map(str, videos))
    port = station.url.rsplit(":", 1)[1]
    host = f"http://127.0.0.1:{port}"
    parameters = {"name": algorithm.name, "media_ids": media, "gid": job.gid, "uid": job.uid, "host": host, "rest_url": f"{host}/rest",
                  "tus_url": f"{host}/files/", "project_id": str(project), "own": "mine", "default": "0.5", "extra": "new", "whole": "3"}
    assert given == {
        **{f"parameters.{name}": value for name, value in parameters.items()},
        "labels.job_type": "algorithm", "labels.project": str(project), "labels.gid": job.gid, "labels.uid": job.uid,
        "labels.user": str(admin.whoami().id),
        "annotations.media_ids": media, "annotations.name": algorithm.name, "annotations.alg_id": str(algorithm.id)}


def test_a_step_reaches_the_station_in_the_callers_name(project, members, flow, tmp_path, videos):
    name = add_algorithm(flow.api, project, tmp_path, shell("""
        exec 3<>/dev/tcp/${HOST#http://}
    """.replace("${HOST#http://}", "127.0.0.1/$(echo {{workflow.parameters.host}} | sed 's/.*://')") + """
        printf 'GET /rest/User/GetCurrent HTTP/1.0\\r\\nHost: 127.0.0.1\\r\\nAuthorization: Token {{workflow.parameters.rest_token}}\\r\\n\\r\\n' >&3
        cat <&3
        echo; echo the token is {{workflow.parameters.rest_token}}
    """))
    uid = launch(members.executor.api, project, name, videos)[0]
    assert ended(flow.api, uid).status == "Succeeded"
    log = log_of(flow.station, uid)
    assert "200 OK" in log and json.loads(log.split("\r\n\r\n", 1)[1].splitlines()[0])["username"] == members.executor.name
    assert "the token is ***" in log and members.executor.token not in log


def test_a_step_sees_only_what_it_may(station, flow, tmp_path):
    marker = tmp_path / "secret"
    marker.write_text("nobody may read this")
    neighbour = socket.create_server(("127.0.0.1", 0))
    port = neighbour.getsockname()[1]
    socket.create_connection(("127.0.0.1", port)).close()
    _, log = flow.run(shell(f"""
        cat {marker} && echo read the file
        ls {station.data} && echo saw the data folder
        ls {pathlib.Path(__file__).parent} && echo saw the tests
        touch /usr/x /etc/x /x /dev/x 2>/dev/null && echo wrote to the system
        (exec 3<>/dev/tcp/192.0.2.1/80) 2>/dev/null && echo reached the world
        (exec 3<>/dev/tcp/127.0.0.1/{port}) 2>/dev/null && echo reached another port
        ls -d /proc/[0-9]* | wc -l > /tmp/count
        test $(cat /tmp/count) -lt 12 && echo few processes
        kill -9 {station.process.pid} 2>/dev/null && echo killed the station
        mount -t tmpfs none /work 2>/dev/null && echo mounted
        echo mine > /tmp/file && echo mine > /work/file && pwd
        env | cut -d= -f1 | sort | tr '\\n' ' '
        id -un
    """))
    said = log.splitlines()
    for bad in ("read the file", "saw the data folder", "saw the tests", "wrote to the system", "reached the world",
                "reached another port", "killed the station", "mounted"):
        assert bad not in said, log
    assert {"few processes", "/work"} <= set(said) and log.rstrip().endswith(" step"), log
    assert not any("TRANSECT" in line or "SECRET" in line for line in said)
    neighbour.close()
    assert station.alive


def test_results_items_and_volumes(flow):
    job, log = flow.run(manifest("""
        entrypoint: main
        volumeClaimTemplates: [{metadata: {name: shared}, spec: {resources: {requests: {storage: 1Gi}}}}]
        templates:
        - name: main
          steps:
          - - {name: list, template: list}
          - - name: work
              template: work
              withParam: '{{steps.list.outputs.result}}'
              arguments: {parameters: [{name: item, value: '{{item}}'}]}
          - - name: sum
              template: sum
              when: "{{steps.list.status}} == Succeeded"
              arguments: {parameters: [{name: sizes, value: '{{steps.work.outputs.parameters.size}}'}]}
            - {name: never, template: sum, when: '{{steps.list.outputs.result}} == []', arguments: {parameters: [{name: sizes, value: ''}]}}
        - name: list
          container: {image: any, command: [echo, '["a","bb"]']}
        - name: work
          inputs: {parameters: [{name: item}]}
          outputs: {parameters: [{name: size, valueFrom: {path: /tmp/size}}]}
          script:
            image: any
            command: [sh]
            source: |
              printf '{{inputs.parameters.item}}' | wc -c > /tmp/size
              echo {{inputs.parameters.item}} >> /shared/all
            volumeMounts: [{name: shared, mountPath: /shared}]
        - name: sum
          inputs: {parameters: [{name: sizes}]}
          script:
            image: any
            command: [sh]
            source: |
              echo 'sizes {{inputs.parameters.sizes}}'
              sort /shared/all | tr '\\n' ' '
              echo no > /shared/new
            volumeMounts: [{name: shared, mountPath: /shared, readOnly: true}]
    """))
    by_task = {node.task: node for node in job.nodes}
    assert by_task["never"].status == "Skipped"
    assert by_task["work(0:a)"].status == by_task["work(1:bb)"].status == "Succeeded", job
    assert "sizes [\"1\",\"2\"]" in log and "a bb" in log
    # Writing to a volume that is mounted for reading fails.
    assert job.status == "Failed" and by_task["sum"].status == "Failed" and "exit code" in by_task["sum"].message
    root = job.nodes[0]
    assert root.id == job.id and [child.rsplit("[", 1)[1] for child in root.children] == ["0]", "1]", "2]"]
    one = log_of(flow.station, job.uid, by_task["sum"].id)
    assert one.startswith("sizes") and "==>" not in one
    answer = flow.station.http("GET", f"/rest/JobLog/{job.uid}", flow.station.admin_token, params={"node": "nothing"})
    assert answer.status_code == 404


def test_failing_trying_again_and_the_exit_handler(flow):
    job, log = flow.run(manifest("""
        entrypoint: main
        onExit: bye
        templates:
        - name: main
          retryStrategy: {limit: 2, backoff: {duration: 100ms}}
          script: {image: any, command: [sh], source: 'echo try {{retries}}; exit $((7 + {{retries}}))'}
        - name: bye
          script: {image: any, command: [sh], source: "echo 'bye {{workflow.status}} {{workflow.failures}}'"}
    """))
    assert job.status == "Failed"
    tries = [node.message for node in job.nodes if "(" in node.task]
    assert tries == ["exit code 7", "exit code 8", "exit code 9"]
    assert all(f"try {count}" in log for count in range(3))
    assert "bye Failed [{" in log and "exit code 9" in log
    row = flow.station.http("GET", f"/rest/Job/{job.uid}", flow.station.admin_token).json()
    assert row["message"] == "no tries are left after 3: exit code 9"


def test_what_is_not_there_is_an_error_that_says_so(flow):
    step = "entrypoint: main\ntemplates: [{name: main, container: {image: 'some/image:1', command: [no-such-program, '1']}}]"
    job, _ = flow.run(manifest(step))
    assert job.status == "Failed"
    assert "cannot run no-such-program: there is no such program here" in job.nodes[0].message
    job, _ = flow.run(manifest("""
        entrypoint: main
        templates:
        - name: main
          outputs: {parameters: [{name: x, valueFrom: {path: /tmp/x}}]}
          container: {image: any, command: ['true']}
    """))
    assert job.status == "Error" and "the step left no such file: /tmp/x" in job.nodes[0].message


@pytest.mark.parametrize("script, more, why", [
    ("sleep 60", "  activeDeadlineSeconds: 1\n", "longer than its 1 s"),
    ("kill -9 $$", "", "killed by signal 9"),
])
def test_steps_that_are_ended(flow, script, more, why):
    began = time.monotonic()
    job, _ = flow.run(shell(script, more))
    assert job.status == "Failed" and why in job.nodes[0].message, job
    assert time.monotonic() - began < 50


def test_memory_is_limited(flow):
    text = shell("head -c 300000000 /dev/zero | tail -c 299999999 | wc -c", beside="    resources: {limits: {memory: 100Mi}}\n")
    _, log = flow.run(text)
    assert "299999999" not in log and "memory" in log
    _, log = flow.run(text.replace("100Mi", "2Gi"))
    assert "299999999" in log


def test_calling_off_kills_everything_that_a_step_started(flow):
    mark = f"mark-{uuid.uuid4().hex}"
    uid = flow.launch(shell(f"""
        trap '' TERM INT HUP
        (setsid bash -c 'trap "" TERM; (exec -a {mark} sleep 600) & exec -a {mark} sleep 601' &)
        exec -a {mark} sleep 602
    """))[0]
    wait_for("the step's processes", lambda: sum(" 60" in line and "bwrap" not in line for _, line in running_with(mark)) == 3)
    assert flow.api.get_job(uid).status == "Running"
    flow.api.delete_job(uid)
    wait_for("the end of the step's processes", lambda: not running_with(mark), 20)
    refused(404, flow.api.get_job, uid)
    assert not (flow.station.data / "workflows" / uid).exists()
    later, _ = flow.run(shell("true"))
    assert later.status == "Succeeded"


def test_a_killed_station_takes_its_steps_along_and_goes_on_where_it_was(new_station, tmp_path):
    station = new_station()
    flow = flow_at(station, tmp_path)
    mark = f"mark-{uuid.uuid4().hex}"
    uid = flow.launch(manifest(f"""
        entrypoint: main
        volumes: [{{name: shared, emptyDir: {{}}}}]
        templates:
        - name: main
          steps: [[{{name: first, template: first}}], [{{name: second, template: second}}]]
        - name: first
          script: {{image: any, command: [bash], source: 'echo once >> /shared/log', volumeMounts: [{{name: shared, mountPath: /shared}}]}}
        - name: second
          script:
            image: any
            command: [bash]
            source: |
              if ! test -e /shared/seen; then touch /shared/seen; exec -a {mark} sleep 600; fi
              wc -l < /shared/log
            volumeMounts: [{{name: shared, mountPath: /shared}}]
    """))[0]
    wait_for("the second step", lambda: any("bwrap" not in line for _, line in running_with(mark)))
    station.kill()
    wait_for("the end of the step", lambda: not running_with(mark), 20)
    station.start()
    api = tator.get_api(station.url, station.admin_token)
    job = ended(api, uid)
    assert job.status == "Succeeded", job
    second = next(node for node in job.nodes if node.task == "second")
    assert log_of(station, uid, second.id) == "1\n"
    assert sorted(path.name for path in (station.data / "workflows" / uid).iterdir()) == ["logs"]


def test_disk_space_is_limited(new_station, tmp_path):
    station = new_station(environment={"TRANSECT_WORKFLOWS_DISK_BYTES": "20000000"})
    flow = flow_at(station, tmp_path)
    job, _ = flow.run(shell("head -c 30000000 /dev/zero > /tmp/x"))
    assert job.status == "Failed" and "workflows.disk_bytes" in job.nodes[0].message, job
    job, _ = flow.run(shell("for n in 1 2 3; do head -c 10000000 /dev/zero > /work/$n; done; sleep 60"))
    assert job.status == "Failed" and "more than 20000000 bytes" in job.nodes[0].message, job
    assert sum(path.stat().st_size for path in (station.data / "workflows").rglob("*") if path.is_file()) < 100_000


def test_without_bubblewrap_nothing_runs(new_station, tmp_path):
    flow = flow_at(new_station(environment={"TRANSECT_WORKFLOWS_BWRAP": "/usr/bin/no-such-bwrap"}), tmp_path)
    job, log = flow.run(shell("echo ran"))
    assert job.status == "Error" and "install it" in job.nodes[0].message, job
    assert "ran" not in log


def test_without_a_sandbox_only_staff_registers(new_station, tmp_path):
    station = new_station(environment={"TRANSECT_WORKFLOWS_SANDBOX": "none"})
    flow = flow_at(station, tmp_path)
    job, log = flow.run(shell("echo $PWD; echo $TMPDIR; exit 0"))
    assert job.status == "Succeeded" and str(station.data) in log, log
    mark = f"mark-{uuid.uuid4().hex}"
    uid = flow.launch(shell(f"exec -a {mark} sleep 600"))[0]
    wait_for("the step", lambda: running_with(mark))
    flow.api.delete_job(uid)
    wait_for("its end", lambda: not running_with(mark), 20)
    token = station.add_user("editor")
    other = tator.get_api(station.url, token)
    flow.api.create_membership(flow.project, membership_spec={"user": other.whoami().id, "permission": "Full Control"})
    refused(403, add_algorithm, other, flow.project, tmp_path, shell("true"), user=flow.api.whoami().id)


def minimal_root(folder):
    """A root file system with nothing but a shell."""
    import re
    import shutil
    import subprocess
    listed = subprocess.run(["ldd", "/bin/sh"], capture_output=True, text=True, check=True).stdout
    files = ["/bin/sh", *re.findall(r"(/\S+)", listed)]
    for file in files:
        target = folder / file.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(pathlib.Path(file).resolve(), target)
    for name in ("usr", "etc"):
        (folder / name).mkdir(exist_ok=True)
    (folder / "usr" / "whoami.txt").write_text("the image\n")
    return folder


def test_images_stand_for_folders(new_station, tmp_path):
    tools = tmp_path / "tools"
    (tools / "bin").mkdir(parents=True)
    (tools / "bin" / "own-tool").write_text("#!/bin/sh\necho own tool of $0\n")
    (tools / "bin" / "own-tool").chmod(0o755)
    root = minimal_root(tmp_path / "root")
    config = tmp_path / "transect.toml"
    config.write_text(f'[workflows]\nimages = {{ "lab/tools" = "{tools}", "lab/root:2" = "{root}", "gone" = "/no/such/folder" }}\n')
    station = new_station(options=["--config", str(config)])
    flow = flow_at(station, tmp_path)

    def text(image, command):
        return manifest(f"entrypoint: main\ntemplates: [{{name: main, container: {{image: '{image}', command: {json.dumps(command)}}}}}]")

    job, log = flow.run(text("lab/tools:1.4", ["own-tool"]))
    assert job.status == "Succeeded" and f"own tool of {tools}/bin/own-tool" in log
    job, _ = flow.run(text("other", ["own-tool"]))
    assert job.status == "Failed"
    script = "while read line; do echo $line; done < /usr/whoami.txt; test -e /usr/bin/env || echo nothing else; : > /tmp/x && echo wrote"
    job, log = flow.run(text("lab/root:2", ["/bin/sh", "-c", script]))
    assert job.status == "Succeeded", (job, log)
    assert [line for line in log.splitlines() if line and "==>" not in line] == ["the image", "nothing else", "wrote"]
    job, _ = flow.run(text("gone", ["true"]))
    assert job.status == "Error" and "/no/such/folder" in job.nodes[0].message


def test_letters_about_the_end(mailing, mail_server, tmp_path):
    flow = flow_at(mailing, tmp_path)
    address = "admin@example.org"
    letters = {f"{kind}_email_spec": {"recipients": [address], "subject": unique(kind), "text": "t"} for kind in ("success", "failure")}
    for script, kind in (("true", "success"), ("false", "failure")):
        flow.run(shell(script), **letters)
        subject = letters[f"{kind}_email_spec"]["subject"]
        wait_for("the letter", lambda: any(letter["Subject"] == subject for letter in mail_server.to(address)))
    subjects = [letter["Subject"] for letter in mail_server.to(address)]
    assert [subjects.count(spec["subject"]) for spec in letters.values()] == [1, 1]


def test_devices_and_the_whole_network_where_the_settings_say_so(station, flow, new_station, tmp_path):
    neighbour = socket.create_server(("127.0.0.1", 0))
    port = neighbour.getsockname()[1]
    script = shell(f"test -e /dev/kmsg && echo device; (exec 3<>/dev/tcp/127.0.0.1/{port}) 2>/dev/null && echo neighbour; "
                   "(exec 3<>/dev/tcp/$(echo {{workflow.parameters.host}} | sed 's|.*//||; s|:|/|')) && echo station")
    _, log = flow.run(script)
    assert log.splitlines()[1:2] == ["station"], log
    open_one = new_station(environment={"TRANSECT_WORKFLOWS_NETWORK": "full", "TRANSECT_WORKFLOWS_DEVICES": "/dev/kms*"})
    _, log = flow_at(open_one, tmp_path).run(script)
    assert log.splitlines()[1:4] == ["device", "neighbour", "station"], log
    neighbour.close()
