"""Each command of the launch runbook at cluster, database and store finds what it names."""

import json
import re
import shlex
from collections.abc import Callable

import pytest
import yaml
from django.db import connection

from orchestrator.process_secrets import WITHHELD, is_model_key
from tests.deploy import budget, manifests
from tests.deploy.launch_runbook import FILE, parse_runbook, read_facts
from tests.ops.launch_runbook import find_runbook

FACTS = read_facts()
# The overlays of the phases that the runbook plans; the pilot is behind it.
FOUND = {overlay: manifests.build_overlay(overlay) for overlay in ("soak", "production")}
WEB = {overlay: manifests.find(found, "Deployment", "flowengine") for overlay, found in FOUND.items()}


def test_the_facts_are_those_of_the_runbook():
    place = find_runbook()
    if place is None:
        pytest.skip("the launch runbook is not at hand: name it in LAUNCH_RUNBOOK")
    assert parse_runbook(place.read_text(encoding="utf-8")) == FACTS, f"python -m tests.deploy.{FILE.stem}"


def show_deployment(words, overlay):
    """``get deployment NAME -n production``, perhaps with a filter."""
    assert words[1:5] == ["deployment", "flowengine", "-n", WEB[overlay]["metadata"]["namespace"]]
    shown = words[5:]
    if not shown:
        scaler = manifests.find(FOUND[overlay], "HorizontalPodAutoscaler", "flowengine")["spec"]
        assert scaler["scaleTargetRef"]["name"] == "flowengine"
        # The runbook's "5/5 ready", its "min 5, max 20, target CPU 70%".
        assert (scaler["minReplicas"], scaler["maxReplicas"]) == (5, 20)
        assert scaler["metrics"][0]["resource"]["target"]["averageUtilization"] == 70
    elif shown[1].startswith("jsonpath="):
        assert shown[1] == "jsonpath={.spec.template.spec.containers[0].image}"
        image = WEB[overlay]["spec"]["template"]["spec"]["containers"][0]["image"]
        assert re.fullmatch(r"flowengine:v\d+\.\d+\.\d+", image)
    else:
        # As `-o yaml | grep -A 2 NAME` prints it: the line with the name and the two after it.
        lines = yaml.safe_dump(WEB[overlay]).splitlines()
        (at,) = [number for number, line in enumerate(lines) if shown[-1] in line]
        assert shown[:6] == ["-o", "yaml", "|", "grep", "-A", "2"]
        assert "value: 'true'" in "\n".join(lines[at : at + 3])


def show_pods(words, overlay):
    """``get pods -n production | grep flowengine`` shows the web process and no other."""
    assert words[1:] == ["pods", "-n", "production", "|", "grep", "flowengine"]
    named = [one["metadata"]["name"] for one, _ in manifests.list_workloads(FOUND[overlay])]
    assert [name for name in named if words[-1] in name] == ["flowengine"]


def show_secret(words, overlay):
    """``get secret model-api-keys``: three keys, which are what the deployments ask for."""
    assert words[1:5] == ["secret", "model-api-keys", "-n", "production"]
    asked = {
        reference
        for _, container in manifests.list_workloads(FOUND[overlay])
        for reference in manifests.read_secrets(container).values()
        if reference[0] == words[2]
    }
    wanted = [tuple(value) for value in FACTS["environment"].values() if isinstance(value, list)]
    assert asked == set(wanted)


def scale(words, overlay):
    """``scale deployment NAME --replicas=0`` stays, because no apply says another number."""
    name = words[1].removeprefix("deployment/") if "/" in words[1] else words[2]
    assert words[-1] == "--replicas=0"
    assert "replicas" not in manifests.find(FOUND[overlay], "Deployment", name)["spec"]
    # KEDA would scale it up again; the autoscaler rests while there are no replicas.
    scaled = [one for one in FOUND[overlay] if one["kind"] == "ScaledObject"]
    assert name not in {one["spec"]["scaleTargetRef"]["name"] for one in scaled}


def set_environment(words, overlay):
    """``set env`` counts before what the manifests say, and no apply takes it away."""
    assert words[1:3] == ["env", "deployment/flowengine"]
    name = words[3].split("=")[0]
    (container,) = WEB[overlay]["spec"]["template"]["spec"]["containers"]
    assert name not in {one["name"] for one in container["env"]}


def roll(words, overlay):
    """``rollout undo`` has a version to go back to, and never fewer pods than before."""
    assert words[1] in {"undo", "status"}
    assert words[2:] == ["deployment/flowengine", "-n", "production"]
    spec = WEB[overlay]["spec"]
    assert spec["revisionHistoryLimit"] >= 2
    assert spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def show_logs(words, overlay):
    """``logs -l app=flowengine``: the label is the web process's."""
    label, value = words[words.index("-l") + 1].split("=")
    assert WEB[overlay]["spec"]["template"]["metadata"]["labels"][label] == value


VERBS: dict[str, Callable[[list[str], str], None]] = {
    "get deployment": show_deployment,
    "get pods": show_pods,
    "get secret": show_secret,
    "scale": scale,
    "set": set_environment,
    "rollout": roll,
    "logs": show_logs,
}
KUBECTL = [one for one in FACTS["commands"] if one.startswith("kubectl ")]


@pytest.mark.parametrize("overlay", FOUND)
@pytest.mark.parametrize("command", KUBECTL)
def test_a_command_at_the_cluster_finds_what_it_names(command, overlay):
    words = shlex.split(command)[1:]
    check = VERBS.get(" ".join(words[:2])) or VERBS[words[0]]
    check(words, overlay)


def test_the_psql_commands_answer(db):
    first, second = [shlex.split(one)[2] for one in FACTS["commands"] if one.startswith("psql ")]
    with connection.cursor() as cursor:
        cursor.execute(first)
        ((count,),) = cursor.fetchall()
        assert count == 0 or "flowengine" in connection.settings_dict["NAME"]
        cursor.execute(second)
        assert [column.name for column in cursor.description] == ["repo_name", "onboarded_at"]


@pytest.mark.parametrize("overlay", FOUND)
def test_connections_at_rest_are_what_the_runbook_expects(overlay):
    # "Expected: <50 (healthy baseline)"
    assert budget.count_at_rest(FOUND[overlay]) < 50


def test_the_bucket_is_the_one_of_the_settings():
    (command,) = [one for one in FACTS["commands"] if one.startswith("aws ")]
    for found in FOUND.values():
        settings = manifests.find(found, "ConfigMap", "settings")["data"]
        assert shlex.split(command)[-1] == settings["CONTEXT_BUNDLE_BUCKET"]


@pytest.mark.parametrize("overlay", FOUND)
def test_the_environment_is_the_runbooks(overlay):
    (web,) = WEB[overlay]["spec"]["template"]["spec"]["containers"]
    (model,) = manifests.find(FOUND[overlay], "Deployment", "worker-openai")["spec"]["template"]["spec"][
        "containers"
    ]
    plain, secrets = manifests.read_values(web), manifests.read_secrets(model)
    for name, wanted in FACTS["environment"].items():
        if is_model_key(name):
            # The runbook has the keys in one deployment. Here only the processes that call models hold them.
            assert (secrets[name], plain[name]) == (tuple(wanted), WITHHELD)
        elif name in {"DB_POOL_SIZE", "DB_MAX_OVERFLOW"}:
            # The runbook's figures are the server's, and a pool is a process's: the sum has to fit.
            assert budget.count_at_most(FOUND[overlay], name) <= int(wanted)
        else:
            assert plain[name] == wanted


def test_the_facts_are_read_as_they_are_written():
    assert json.loads(FILE.read_text(encoding="utf-8")) == FACTS
    assert len(FACTS["commands"]) == 14
    assert len(KUBECTL) == 11
