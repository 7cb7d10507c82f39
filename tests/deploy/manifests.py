"""The overlays of ``deploy/k8s`` as Kubernetes gets them, read without any tool.

The part of kustomize that these files use, for machines that have no kubectl. Where kubectl is at hand,
``make deploy-check`` holds what is built here to what kustomize builds.
"""

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

K8S = Path(__file__).resolve().parents[2] / "deploy" / "k8s"
OVERLAYS = ("pilot", "soak", "production")
Manifest = dict[str, Any]
# Lists whose members have a key are merged by it; what another list says replaces what was there.
_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "env": "name",
    "volumes": "name",
    "volumeMounts": "mountPath",
    "ports": "containerPort",
    "topologySpreadConstraints": "topologyKey",
}
_KNOWN = {
    *("apiVersion", "kind", "namespace", "resources", "components", "labels", "patches", "replacements"),
    *("images", "configMapGenerator", "generatorOptions"),
}


def build_overlay(name: str) -> list[Manifest]:
    """Every object of the overlay ``name``; a generated one has the name that its file gives it."""
    return build(K8S / "overlays" / name)


def build(folder: Path) -> list[Manifest]:
    """Every object of a folder with a ``kustomization.yaml``."""
    return _apply(folder, [])


def _apply(folder: Path, found: list[Manifest]) -> list[Manifest]:
    """``found`` with what ``folder`` adds and changes, in kustomize's order."""
    steps = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))
    assert set(steps) <= _KNOWN, f"{folder}: {set(steps) - _KNOWN} is not read here"
    for place in steps.get("resources", ()):
        found = [*found, *_read_resource(folder / place)]
    for generator in steps.get("configMapGenerator", ()):
        _generate(folder, generator, steps.get("generatorOptions", {}), found)
    for place in steps.get("components", ()):
        found = _apply((folder / place).resolve(), found)
    for patch in steps.get("patches", ()):
        _patch(folder, patch, found)
    for one in found:
        _label(one, steps.get("labels", ()))
        _set_images(one, steps.get("images", ()))
        # Whose kinds belong to the cluster has no namespace.
        if "namespace" in steps and one["kind"] != "Namespace":
            one["metadata"]["namespace"] = steps["namespace"]
    for replacement in steps.get("replacements", ()):
        _replace(replacement, found)
    if steps["kind"] != "Component":
        return [one for one in found if "config.kubernetes.io/local-config" not in _annotations(one)]
    return found


def _annotations(one: Manifest) -> Manifest:
    return dict(one["metadata"].get("annotations", {}))


def _read_resource(place: Path) -> list[Manifest]:
    if place.is_dir():
        return build(place.resolve())
    return list(yaml.safe_load_all(place.read_text(encoding="utf-8")))


def _generate(folder: Path, generator: Manifest, options: Manifest, found: list[Manifest]) -> None:
    data = dict(line.split("=", 1) for line in generator.get("literals", ()))
    files = [folder / name for name in generator.get("files", ())]
    data |= {path.name: path.read_text(encoding="utf-8") for path in files}
    if generator.get("behavior") == "merge":
        find(found, "ConfigMap", generator["name"])["data"].update(data)
        return
    metadata = {"name": generator["name"]}
    metadata |= {key: dict(options[key]) for key in ("labels", "annotations") if key in options}
    found.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})


def _patch(folder: Path, patch: Manifest, found: list[Manifest]) -> None:
    text = patch["patch"] if "patch" in patch else (folder / patch["path"]).read_text(encoding="utf-8")
    change, target = yaml.safe_load(text), patch["target"]
    matches = [
        one
        for one in found
        if one["kind"] == target["kind"] and re.fullmatch(target.get("name", ".*"), one["metadata"]["name"])
    ]
    assert matches, f"{folder}: {target} is nothing"
    for one in matches:
        if isinstance(change, list):
            for operation in change:
                _operate(one, operation)
        else:
            body = {key: value for key, value in change.items() if key not in {"kind", "metadata"}}
            _merge(one, copy.deepcopy(body))


def _operate(one: Manifest, operation: Manifest) -> None:
    """One step of a JSON patch (RFC 6902); only those that these files use."""
    *path, last = [part.replace("~1", "/") for part in operation["path"].split("/")[1:]]
    place: Any = one
    for part in path:
        place = place[int(part)] if isinstance(place, list) else place[part]
    key: Any = int(last) if isinstance(place, list) else last
    if operation["op"] == "remove":
        del place[key]
    else:
        assert operation["op"] == "add" or key in place or isinstance(place, list), operation
        place[key] = copy.deepcopy(operation["value"])


def _merge(into: Manifest, change: Manifest) -> None:
    for key, value in change.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        elif isinstance(value, list) and key in _KEYS and key in into:
            into[key] = _merge_lists(into[key], value, _KEYS[key])
        else:
            into[key] = value


def _merge_lists(old: list[Manifest], new: list[Manifest], by: str) -> list[Manifest]:
    """Members with the same key are merged; the others of the patch come first, as kustomize has them."""
    known = {one[by]: one for one in old}
    fresh = []
    for one in new:
        if one[by] in known:
            _merge(known[one[by]], one)
        else:
            fresh.append(one)
    return [*fresh, *old]


def _label(one: Manifest, labels: list[Manifest]) -> None:
    for label in labels:
        one["metadata"].setdefault("labels", {}).update(label["pairs"])
        if label.get("includeTemplates") and "template" in one.get("spec", {}):
            one["spec"]["template"].setdefault("metadata", {}).setdefault("labels", {}).update(label["pairs"])


def _set_images(one: Manifest, images: list[Manifest]) -> None:
    for container in list_containers(one):
        for image in images:
            if container["image"] == image["name"]:
                container["image"] = f"{image['name']}:{image['newTag']}"


def _replace(replacement: Manifest, found: list[Manifest]) -> None:
    source = replacement["source"]
    value: Any = find(found, source["kind"], source["name"])
    for part in source["fieldPath"].split("."):
        value = value[part]
    for target in replacement["targets"]:
        one = find(found, target["select"]["kind"], target["select"]["name"])
        for path in target["fieldPaths"]:
            _operate(one, {"op": "replace", "path": "/" + path.replace(".", "/"), "value": value})


def list_containers(one: Manifest) -> list[Manifest]:
    """Containers of a pod's template, those that run first among them; none where there is no template."""
    pod = one.get("spec", {}).get("template", {}).get("spec", {})
    return [*pod.get("initContainers", ()), *pod.get("containers", ())]


def find(found: list[Manifest], kind: str, name: str) -> Manifest:
    """The one object of this kind and name."""
    (one,) = [one for one in found if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    return one


def list_workloads(found: list[Manifest]) -> Iterator[tuple[Manifest, Manifest]]:
    """Every deployment and job, and its one container of this product."""
    for one in found:
        if one["kind"] in {"Deployment", "Job"}:
            (container,) = one["spec"]["template"]["spec"]["containers"]
            yield one, container


def read_values(container: Manifest) -> dict[str, str]:
    """The variables of a container that have their value in the manifest."""
    return {one["name"]: one["value"] for one in container["env"] if "value" in one}


def read_secrets(container: Manifest) -> dict[str, tuple[str, str]]:
    """The variables of a container that come from a secret, each with the secret's name and key."""
    references = {
        one["name"]: one["valueFrom"]["secretKeyRef"] for one in container["env"] if "valueFrom" in one
    }
    return {name: (reference["name"], reference["key"]) for name, reference in references.items()}
