"""Containers of ``deploy/k8s`` by crun, held by the flags that the manifests give them.

crun is the runtime below podman and CRI-O. User, capabilities, privileges, the root, what may be written and
the filter of system calls are read from the pod; what a manifest does not close stays open here. The network
is this machine's, and there are no limits of memory and processors: those need a kubelet.
"""

import json
import os
import platform
import re
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.deploy.manifests import Manifest

PROFILE = Path("/usr/share/containers/seccomp.json")
"""What ``RuntimeDefault`` is below podman and CRI-O; Debian has it beside buildah."""
# CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET of clone(2).
_NEW_NAMESPACES = 0x7E020000
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_SIZES = {"Mi": "m", "Gi": "g"}
# crun asks for control groups of version 2 even where it is to make none; it gets a view of its own.
_VIEW = (
    'test "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs || mount -t cgroup2 none /sys/fs/cgroup; exec "$@"'
)


def find_missing() -> str:
    """What this machine lacks to run containers; empty where it lacks nothing."""
    missing = [name for name in ("buildah", "crun") if shutil.which(name) is None]
    if not PROFILE.exists():
        missing.append(str(PROFILE))
    if os.geteuid() != 0:
        missing.append("root")
    return f"missing here: {', '.join(missing)}" if missing else ""


@dataclass(frozen=True)
class Image:
    """An image, laid out as a root that containers share."""

    name: str
    root: Path
    config: Mapping[str, Any]
    """``Env``, ``Cmd``, ``User``, ``WorkingDir``, ``Healthcheck``."""


class Runner:
    """Runs containers of one image; ``folder`` keeps their bundles, logs and state."""

    def __init__(self, image: Image, folder: Path) -> None:
        self.image, self.folder = image, folder
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(
        self,
        name: str,
        pod: Manifest,
        container: Manifest,
        words: Sequence[str],
        values: Mapping[str, str],
        *,
        alone: bool = False,
    ) -> None:
        """Start ``words`` as ``container`` of ``pod``; with ``alone`` in a network that has nobody else."""
        bundle = self.folder / name
        bundle.mkdir()
        subprocess.run(["crun", "spec"], cwd=bundle, check=True)
        place = bundle / "config.json"
        config = json.loads(place.read_text(encoding="utf-8"))
        hold(config, pod, container)
        config["hostname"] = name
        config["root"]["path"] = str(self.image.root)
        environment = dict(one.split("=", 1) for one in self.image.config["Env"]) | dict(values)
        config["process"] |= {
            "args": list(words),
            "env": [f"{key}={value}" for key, value in environment.items()],
            "cwd": self.image.config["WorkingDir"],
            "terminal": False,
        }
        if not alone:
            spaces = config["linux"]["namespaces"]
            config["linux"]["namespaces"] = [one for one in spaces if one["type"] != "network"]
        place.write_text(json.dumps(config), encoding="utf-8")
        with self.log_path(name).open("wb") as log:
            command = self.crun("run", "--bundle", str(bundle), name)
            made = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self.running[name] = made
        # Nobody can enter it, or end it, before it is there.
        while made.poll() is None and not self._exists(name):
            time.sleep(0.1)

    def _exists(self, name: str) -> bool:
        done = subprocess.run(self.crun("state", name), capture_output=True, text=True, check=False)
        return done.returncode == 0 and json.loads(done.stdout)["status"] in {"running", "stopped"}

    def log_path(self, name: str) -> Path:
        """What the container has printed."""
        return self.folder / f"{name}.log"

    def read_log(self, name: str) -> str:
        """The same, as text."""
        return self.log_path(name).read_text(encoding="utf-8", errors="replace")

    def finish(self, name: str, seconds: float) -> int:
        """Wait for its end; the exit code."""
        code = self.running[name].wait(seconds)
        del self.running[name]
        return code

    def enter(self, name: str, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run ``words`` in a container that runs, held as it is: what ``kubectl exec`` does."""
        config = json.loads((self.folder / name / "config.json").read_text(encoding="utf-8"))
        place = self.folder / f"{name}-{len(list(self.folder.iterdir()))}.json"
        place.write_text(json.dumps(config["process"] | {"args": words}), encoding="utf-8")
        command = self.crun("exec", "--process", str(place), name)
        return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)

    def stop(self) -> None:
        """End everything that still runs."""
        for name, process in self.running.items():
            subprocess.run(self.crun("delete", "--force", name), capture_output=True, check=False)
            process.wait(30)

    def crun(self, *words: str) -> list[str]:
        """The command line of crun."""
        options = ("--root", str(self.folder / "state"), "--cgroup-manager", "disabled")
        return ["unshare", "--mount", "sh", "-c", _VIEW, "sh", "crun", *options, *words]


def hold(config: Manifest, pod: Manifest, container: Manifest) -> None:
    """Close in the bundle's ``config`` what the pod and its container close."""
    whole, own = pod["securityContext"], container["securityContext"]
    process = config["process"]
    process["user"] = {"uid": whole["runAsUser"], "gid": whole["runAsGroup"]}
    process["user"]["additionalGids"] = [whole["fsGroup"]]
    process["noNewPrivileges"] = not own["allowPrivilegeEscalation"]
    # Where a manifest drops no capability, a runtime leaves some.
    if own["capabilities"] == {"drop": ["ALL"]}:
        process["capabilities"] = {kind: [] for kind in process["capabilities"]}
    # Raising a limit needs a privilege that the machine of the tests may not have.
    process.pop("rlimits", None)
    config["root"]["readonly"] = own["readOnlyRootFilesystem"]
    volumes = {one["name"]: one["emptyDir"] for one in pod["volumes"]}
    for mount in container["volumeMounts"]:
        number, unit = re.fullmatch(r"(\d+)(\w+)", volumes[mount["name"]]["sizeLimit"]).groups()
        # As the kubelet makes an emptyDir for a pod with `fsGroup`.
        options = ["nosuid", "nodev", "mode=2777", f"gid={whole['fsGroup']}", f"size={number}{_SIZES[unit]}"]
        config["mounts"].append(
            {"destination": mount["mountPath"], "type": "tmpfs", "source": "tmpfs", "options": options}
        )
    if whole["seccompProfile"] == {"type": "RuntimeDefault"}:
        config["linux"]["seccomp"] = read_default_filter()


def read_default_filter() -> Manifest:
    """The profile of podman for a process without capabilities, and no namespaces, as containerd has it."""
    profile = json.loads(PROFILE.read_text(encoding="utf-8"))
    machine = platform.machine()
    rules = []
    for rule in profile["syscalls"]:
        includes = rule.get("includes") or {}
        # Allowed with a capability, which nobody here has, or on another architecture.
        if includes.get("caps") or _ARCHITECTURES[machine] not in includes.get(
            "arches", _ARCHITECTURES.values()
        ):
            continue
        names = [one for one in rule["names"] if one not in {"clone", "clone3", "unshare", "setns"}]
        kept = {key: rule[key] for key in ("action", "args", "errnoRet") if rule.get(key) is not None}
        if names:
            rules.append({"names": names, **kept})
    plain = {"index": 0, "value": _NEW_NAMESPACES, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}
    rules.append({"names": ["clone"], "action": "SCMP_ACT_ALLOW", "args": [plain]})
    (known,) = [one for one in profile["archMap"] if one["architecture"].lower().endswith(f"_{machine}")]
    return {
        "defaultAction": profile["defaultAction"],
        "defaultErrnoRet": profile["defaultErrnoRet"],
        "architectures": [known["architecture"], *known["subArchitectures"]],
        "syscalls": rules,
    }
