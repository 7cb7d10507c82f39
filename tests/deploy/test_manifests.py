"""The manifests against the Procfile, the settings and the table of secrets, so that none drifts."""

import ipaddress
import re
import shlex
import tomllib
from pathlib import Path
from string import Template

import pytest
import yaml

from orchestrator.dev import stack
from orchestrator.process_secrets import WITHHELD, is_secret, may_hold, refuse_foreign_secrets
from orchestrator.queues import ONBOARDING_QUEUE, Queue
from tests.deploy import budget, check, manifests, prometheus_rule

ROOT = Path(__file__).resolve().parents[2]
BUILT = {overlay: manifests.build_overlay(overlay) for overlay in manifests.OVERLAYS}
LISTENING = {"HOST": "0.0.0.0", "PORT": "8000", "FLOWER_PORT": "5555", "EXPORTER_PORT": "9808"}
# Not a line of the Procfile: run once, before the others.
MIGRATE = ["python", "manage.py", "migrate", "--no-input"]
# Read by others than the settings: the exporter's and Flower's own, and the system's.
OTHERS = {"HOME", "FLOWER_BASIC_AUTH", "PROCESS"}
every_overlay = pytest.mark.parametrize("found", BUILT.values(), ids=BUILT)


def read_commands() -> dict[str, list[str]]:
    """The commands of the Procfile as they are in a pod; a compatible server's is the operator's to add."""
    return {
        name: [Template(word).substitute(LISTENING) for word in shlex.split(command)]
        for name, command in stack.read_procfile().items()
    }


def read_settings() -> set[str]:
    """Every variable that the settings read."""
    page = (ROOT / "docs/reference/settings.md").read_text(encoding="utf-8")
    names = set(re.findall(r"`([A-Z][A-Z0-9_]+|<P>_[A-Z_]+)`", page))
    providers = ("ANTHROPIC", "OPENAI", "GOOGLE")
    return names | {name.replace("<P>", one) for name in names if "<P>" in name for one in providers}


@every_overlay
def test_every_process_of_the_procfile_runs_as_its_line_says(found):
    commands, running = read_commands(), set()
    for one, container in manifests.list_workloads(found):
        name = one["metadata"]["name"]
        if name == "migrate":
            assert container["command"] == MIGRATE
            continue
        process = manifests.read_values(container)["PROCESS"]
        assert container["command"] == commands[process], name
        running.add(process)
    assert running == set(commands)


@every_overlay
def test_every_queue_has_a_worker_that_is_named_after_it(found):
    queues = {
        container["command"][container["command"].index("-Q") + 1]: one["metadata"]["name"]
        for one, container in manifests.list_workloads(found)
        if "-Q" in container["command"]
    }
    assert queues == {queue: f"worker-{queue}" for queue in (*Queue, ONBOARDING_QUEUE)}


@every_overlay
def test_every_variable_is_one_that_is_read(found):
    known = read_settings() | OTHERS
    settings = manifests.find(found, "ConfigMap", "settings")["data"]
    assert set(settings) <= known
    assert not any(map(is_secret, settings))
    for _, container in manifests.list_workloads(found):
        assert {one["name"] for one in container["env"]} <= known


@every_overlay
def test_every_process_holds_the_secrets_of_its_row_and_no_other(found):
    for one, container in manifests.list_workloads(found):
        values, secrets = manifests.read_values(container), manifests.read_secrets(container)
        refuse_foreign_secrets(values | dict.fromkeys(secrets, "of the secret"))
        assert all(map(is_secret, secrets)), one["metadata"]["name"]
        # A secret in clear would be in every copy of the manifests.
        assert {values[name] for name in values if is_secret(name)} <= {WITHHELD}
        assert "SECRET_KEY" in secrets or not may_hold(values["PROCESS"], "SECRET_KEY")


def test_a_variable_of_a_secret_has_one_secret_and_key_everywhere_and_external_secrets_bring_each():
    places = {
        (name, *reference)
        for _, container in manifests.list_workloads(BUILT["production"])
        for name, reference in manifests.read_secrets(container).items()
    }
    assert len({name for name, *_ in places}) == len(places)
    brought = {
        (one["spec"]["target"]["name"], line["secretKey"])
        for one in yaml.safe_load_all(
            (manifests.K8S / "components/external-secrets/secrets.yaml").read_text(encoding="utf-8")
        )
        for line in one["spec"]["data"]
    }
    assert brought == {reference for _, *parts in places for reference in [tuple(parts)]}


@every_overlay
def test_a_port_that_is_probed_or_served_is_the_one_that_the_process_listens_on(found):
    for one, container in manifests.list_workloads(found):
        ports = {port["name"]: str(port["containerPort"]) for port in container.get("ports", ())}
        command = " ".join(container["command"]).replace("--port=", "--port ")
        listening = re.findall(r"--port (\d+)", command)
        assert list(ports.values()) == listening, one["metadata"]["name"]
        for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
            if listening:
                assert container[kind]["httpGet"]["port"] in ports
            else:
                assert kind not in container
    for service in (one for one in found if one["kind"] == "Service"):
        backend = manifests.find(found, "Deployment", service["spec"]["selector"]["app"])
        (container,) = backend["spec"]["template"]["spec"]["containers"]
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= {
            port["name"] for port in container["ports"]
        }
    # By name and number, as deploy/prometheus/prometheus.yml scrapes it.
    scraped = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())["scrape_configs"]
    (target,) = scraped[0]["static_configs"][0]["targets"]
    service = manifests.find(found, "Service", "exporter")
    assert target == f"exporter:{service['spec']['ports'][0]['port']}"


@every_overlay
def test_the_web_process_answers_the_probes_of_the_runbook(found):
    for name in ("flowengine", "onboarding-portal"):
        deployment = manifests.find(found, "Deployment", name)
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        assert container["livenessProbe"]["httpGet"]["path"] == "/health"
        assert container["readinessProbe"]["httpGet"]["path"] == "/ready"
    (web,) = manifests.find(found, "Deployment", "flowengine")["spec"]["template"]["spec"]["containers"]
    assert web["resources"]["limits"] == {"cpu": "2", "memory": "4Gi"}


@every_overlay
def test_what_stops_ends_within_its_grace(found):
    for one, container in manifests.list_workloads(found):
        pod, command = one["spec"]["template"]["spec"], container["command"]
        grace, values = pod.get("terminationGracePeriodSeconds", 30), manifests.read_values(container)
        if "uvicorn" in command:
            pause = container["lifecycle"]["preStop"]["sleep"]["seconds"]
            drain = int(command[command.index("--timeout-graceful-shutdown") + 1])
            assert pause + drain < grace
        elif "worker" in command:
            assert int(values["ENGINE_SHUTDOWN_SECONDS"]) < grace
        if one["spec"].get("strategy", {}).get("type") == "RollingUpdate":
            steps = one["spec"]["strategy"]["rollingUpdate"]
            assert (steps["maxUnavailable"], steps["maxSurge"]) != (0, 0)


@every_overlay
def test_every_pod_meets_the_restricted_standard(found):
    for one, _ in manifests.list_workloads(found):
        pod = one["spec"]["template"]["spec"]
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert all("emptyDir" in volume for volume in pod["volumes"])
        for container in manifests.list_containers(one):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert {"requests", "limits"} == set(container["resources"])
    assert manifests.find(found, "Namespace", "production")["metadata"]["labels"] == {
        "app.kubernetes.io/part-of": "orchestrator",
        "pod-security.kubernetes.io/enforce": "restricted",
        "pod-security.kubernetes.io/warn": "restricted",
    }


@every_overlay
def test_new_code_waits_for_the_migrations(found):
    for one, container in manifests.list_workloads(found):
        first = one["spec"]["template"]["spec"].get("initContainers", ())
        if one["kind"] == "Deployment" and "DATABASE_URL" in manifests.read_secrets(container):
            assert [step["command"] for step in first] == [["python", "manage.py", "migrate", "--check"]]
            # The same version asks whether its own tables are there.
            assert first[0]["image"] == container["image"]


def test_every_container_that_talks_to_servers_has_the_file_of_their_authority(tmp_path):
    steps = {"kind": "Kustomization", "resources": [str(manifests.K8S / "overlays" / "production")]}
    steps["components"] = [str(manifests.K8S / "components" / "servers-ca")]
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(steps), encoding="utf-8")
    for one, _ in manifests.list_workloads(manifests.build(tmp_path)):
        volumes = {volume["name"]: volume for volume in one["spec"]["template"]["spec"]["volumes"]}
        containers = manifests.list_containers(one)
        talking = [
            each for each in containers if {"DATABASE_URL", "REDIS_URL"} & {*manifests.read_secrets(each)}
        ]
        # Flower and every other process, and what waits for the migrations.
        assert talking == list(containers), one["metadata"]["name"]
        for container in talking:
            place = Path(manifests.read_values(container)["SERVERS_CA_FILE"])
            (mount,) = [each for each in container["volumeMounts"] if each["mountPath"] == str(place.parent)]
            assert mount["readOnly"] is True
            source = volumes[mount["name"]]["configMap"]
            assert (source["name"], source["items"]) == (
                "servers-ca",
                [{"key": "ca.pem", "path": place.name}],
            )


@every_overlay
def test_more_than_one_pod_has_a_disruption_budget_and_is_spread(found):
    budgets = {
        one["spec"]["selector"]["matchLabels"]["app"] for one in found if one["kind"] == "PodDisruptionBudget"
    }
    for one, _ in manifests.list_workloads(found):
        name, pod = one["metadata"]["name"], one["spec"]["template"]
        assert pod["metadata"]["labels"]["app"] == name
        if one["spec"].get("replicas", 1) > 1:
            assert name in budgets
        assert len(pod["spec"]["topologySpreadConstraints"]) == 2


@every_overlay
def test_the_pools_of_all_processes_fit_the_server(found):
    assert budget.count_at_most(found, "DB_POOL_SIZE") <= 200
    assert budget.count_at_most(found, "DB_MAX_OVERFLOW") <= 50
    # Every process that may read a report, as the server takes as many as the primary does.
    assert 20 <= budget.count_on_a_replica(found) <= 200
    assert "on each replica" in budget.describe_connections(found)


@every_overlay
def test_a_queue_has_as_many_slots_as_its_workers_run(found):
    settings = manifests.find(found, "ConfigMap", "settings")["data"]
    scaled = {one["metadata"]["name"]: one["spec"] for one in found if one["kind"] == "ScaledObject"}
    for one, container in manifests.list_workloads(found):
        command, name = container["command"], one["metadata"]["name"]
        if "-Q" not in command:
            continue
        queue, each = command[command.index("-Q") + 1], command[command.index("--concurrency") + 1]
        pods = scaled[name]["maxReplicaCount"] if name in scaled else one["spec"]["replicas"]
        if queue in {"gates", "control"}:
            assert int(settings[f"{queue.upper()}_SLOTS"]) == pods * int(each)
        if name in scaled:
            metadata = scaled[name]["triggers"][0]["metadata"]
            assert (metadata["threshold"], f'queue="{queue}"' in metadata["query"]) == (each, True)


def select(selector, labels) -> bool:
    """Whether a label selector takes a pod with ``labels``."""
    if any(labels.get(key) != value for key, value in selector.get("matchLabels", {}).items()):
        return False
    for rule in selector.get("matchExpressions", ()):
        inside = labels.get(rule["key"]) in rule["values"]
        if inside != {"In": True, "NotIn": False}[rule["operator"]]:
            return False
    return True


def may_reach(found, name, address, port) -> bool:
    """Whether the policies let the pods of a deployment open a connection to an address outside."""
    labels = manifests.find(found, "Deployment", name)["spec"]["template"]["metadata"]["labels"]
    policies = [
        one["spec"]
        for one in found
        if one["kind"] == "NetworkPolicy" and select(one["spec"]["podSelector"], labels)
    ]
    assert any("Egress" in one["policyTypes"] for one in policies), f"{name} is under no policy"
    target = ipaddress.ip_address(address)
    for rule in (rule for one in policies for rule in one.get("egress", ())):
        for peer in rule["to"]:
            block = peer.get("ipBlock", {"cidr": "255.255.255.255/32"})
            inside = target in ipaddress.ip_network(block["cidr"])
            excepted = any(target in ipaddress.ip_network(one) for one in block.get("except", ()))
            if inside and not excepted and port in {one["port"] for one in rule["ports"]}:
                return True
    return False


@every_overlay
def test_only_the_workers_of_providers_and_of_messages_reach_the_outside(found):
    reaching = {
        one["metadata"]["name"]
        for one, _ in manifests.list_workloads(found)
        if one["kind"] == "Deployment" and may_reach(found, one["metadata"]["name"], "8.8.8.8", 443)
    }
    models = {"worker-anthropic", "worker-openai", "worker-google"}
    assert reaching == models | {"worker-control", "worker-onboarding"}
    for name in reaching:
        # The cloud's metadata and what is inside.
        assert not may_reach(found, name, "169.254.169.254", 80)
        assert not may_reach(found, name, "169.254.169.254", 443)
        assert not may_reach(found, name, "10.1.2.3", 443)


@every_overlay
def test_gates_reach_the_servers_and_the_store_and_nothing_else(found):
    addresses = {"192.0.2.7": {5432, 6379}, "198.51.100.7": {443}, "8.8.8.8": set(), "10.0.0.1": set()}
    for address, open_ports in addresses.items():
        for port in (22, 53, 80, 443, 4317, 5432, 6379, 9090):
            assert may_reach(found, "worker-gates", address, port) == (port in open_ports), (address, port)
    assert not may_reach(found, "flower", "192.0.2.7", 5432)
    assert may_reach(found, "flower", "192.0.2.7", 6379)


@every_overlay
def test_nobody_comes_in_to_flower_or_to_a_worker(found):
    admitting = [
        one["spec"] for one in found if one["kind"] == "NetworkPolicy" and one["spec"].get("ingress")
    ]
    open_to = {
        one["metadata"]["name"]
        for one, _ in manifests.list_workloads(found)
        if any(
            select(spec["podSelector"], one["spec"]["template"]["metadata"]["labels"]) for spec in admitting
        )
    }
    assert open_to == {"flowengine", "onboarding-portal", "exporter"}


@every_overlay
def test_the_way_in_leads_the_portals_paths_to_the_portal(found):
    (rule,) = manifests.find(found, "Ingress", "orchestrator")["spec"]["rules"]
    paths = {path["path"]: path["backend"]["service"]["name"] for path in rule["http"]["paths"]}
    assert paths == {
        "/onboarding": "onboarding-portal",
        "/api/v1/onboarding": "onboarding-portal",
        "/": "flowengine",
    }
    allowed = manifests.find(found, "ConfigMap", "settings")["data"]["ALLOWED_HOSTS"]
    assert rule["host"] in allowed.split(",")


def test_rules_and_dashboards_are_those_that_run_elsewhere():
    found = BUILT["production"]
    rules = manifests.find(found, "PrometheusRule", "flowengine")
    assert rules["spec"] == prometheus_rule.build()["spec"], "run python -m tests.deploy.prometheus_rule"
    shipped = {path.name for path in (ROOT / "deploy/grafana/dashboards").glob("*.json")}
    labelled = [one for one in found if one["metadata"].get("labels", {}).get("grafana_dashboard") == "1"]
    assert {name for one in labelled for name in one["data"]} == shipped
    # An alert is about a job, whose name the operator would take from the service.
    (endpoint,) = manifests.find(found, "ServiceMonitor", "exporter")["spec"]["endpoints"]
    scraped = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())["scrape_configs"]
    assert endpoint["relabelings"][0]["replacement"] == scraped[0]["job_name"]
    assert endpoint["scrapeTimeout"] == scraped[0]["scrape_timeout"]


def test_every_prometheus_shows_the_credential_that_the_exporter_asks_for():
    found = BUILT["production"]
    scraped = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())["scrape_configs"]
    (endpoint,) = manifests.find(found, "ServiceMonitor", "exporter")["spec"]["endpoints"]
    secret = endpoint["authorization"]["credentials"]
    (exporter,) = manifests.find(found, "Deployment", "exporter")["spec"]["template"]["spec"]["containers"]
    assert manifests.read_secrets(exporter)["METRICS_TOKEN"] == (secret["name"], secret["key"])
    place = scraped[0]["authorization"]["credentials_file"]
    page = (ROOT / "docs/operate/kubernetes.md").read_text(encoding="utf-8")
    assert f"the key `{secret['key']}` of the secret `{secret['name']}` as `{place}`" in page


def test_the_image_is_of_this_version():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    for found in BUILT.values():
        images = {container["image"] for one in found for container in manifests.list_containers(one)}
        assert images == {f"flowengine:v{version}"}


def test_the_phases_grow_as_the_runbook_plans():
    least = {
        overlay: manifests.find(found, "HorizontalPodAutoscaler", "flowengine")["spec"]["minReplicas"]
        for overlay, found in BUILT.items()
    }
    assert least == {"pilot": 3, "soak": 5, "production": 5}
    allowed = {
        overlay: manifests.find(found, "ConfigMap", "settings")["data"].get("REPO_ALLOWLIST", "")
        for overlay, found in BUILT.items()
    }
    assert [len(one.split(",")) if one else 0 for one in allowed.values()] == [1, 10, 0]
    for found in BUILT.values():
        quota = manifests.find(found, "ConfigMap", "settings")["data"]["ANTHROPIC_DAILY_TOKEN_QUOTA"]
        assert quota == ("1000000" if found is BUILT["pilot"] else "2000000")


def test_kinds_of_others_hold_their_schema_and_a_wrong_field_is_found():
    others = [one for found in BUILT.values() for one in found]
    secrets = (manifests.K8S / "components/external-secrets/secrets.yaml").read_text(encoding="utf-8")
    check.validate_kinds_of_others([*others, *yaml.safe_load_all(secrets)])
    wrong = manifests.find(BUILT["production"], "ServiceMonitor", "exporter") | {"spec": {"endpoint": []}}
    with pytest.raises(check.CheckFailed, match="ServiceMonitor exporter"):
        check.validate_kinds_of_others([wrong])


def test_every_skip_of_the_deploy_check_has_a_reason_and_an_idle_or_new_one_is_found():
    assert all(len(reason) > 20 for skips in check.SKIPS.values() for reason in skips.values())
    check.check_findings("tool", ["A"], {"A1": "x"}, {"A1": "", "B1": ""})
    with pytest.raises(check.CheckFailed, match=r"A1 of deploy/skips\.yml finds nothing"):
        check.check_findings("tool", ["A"], {}, {"A1": ""})
    with pytest.raises(check.CheckFailed, match="A2: x"):
        check.check_findings("tool", ["A"], {"A2": "x"}, {})


@every_overlay
def test_pods_of_gates_share_their_user_with_no_pod_of_their_node(found):
    users = {
        one["metadata"]["name"]: one["spec"]["template"]["spec"]["securityContext"]["runAsUser"]
        for one, _ in manifests.list_workloads(found)
    }
    assert [name for name, user in users.items() if user == users["worker-gates"]] == ["worker-gates"]
    pod = manifests.find(found, "Deployment", "worker-gates")["spec"]["template"]["spec"]
    (apart,) = pod["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert (apart["topologyKey"], apart["labelSelector"]) == (
        "kubernetes.io/hostname",
        {"matchLabels": {"app": "worker-gates"}},
    )
    # A new pod needs a node whose old one has gone.
    assert (
        manifests.find(found, "Deployment", "worker-gates")["spec"]["strategy"]["rollingUpdate"]["maxSurge"]
        == 0
    )
