"""Stand-ins for the providers of AWS, PagerDuty and Grafana, in one process to which Terraform attaches.

``python -m tests.deploy.terraform.stand_in FOLDER`` prints the value of ``TF_REATTACH_PROVIDERS`` and serves
until its input ends; what it makes is in ``FOLDER/<provider>.json``. It knows the resources of ``schemas``
and nothing else. It runs in the environment of ``requirements-terraform.txt``, not the product's.
"""

import json
import os
import sys
import threading
import uuid
from concurrent import futures
from itertools import zip_longest
from pathlib import Path
from typing import Any

import grpc
from tf.gen import tfplugin_pb2 as pb
from tf.gen import tfplugin_pb2_grpc as rpc
from tf.types import Unknown
from tf.utils import Diagnostics, read_dynamic_value, to_dynamic_value

from tests.deploy.terraform.far_store import FarSideRefusal, FarStore, make_id
from tests.deploy.terraform.rules import list_configured, list_refusals
from tests.deploy.terraform.schema_messages import build_schema

SCHEMAS = Path(__file__).parent / "schemas"
Values = dict[str, Any]


def mark_unknown(block: Values, prior: Values | None, proposed: Values | None) -> Values | None:
    """The planned values: what only the far side can say of a new object is not known yet."""
    if proposed is None:
        return None
    planned = dict(proposed)
    for name, attribute in block.get("attributes", {}).items():
        if prior is None and attribute.get("computed") and planned.get(name) is None:
            planned[name] = Unknown
    for name, nested in block.get("block_types", {}).items():
        before = (prior or {}).get(name)
        if nested["nesting_mode"] == "single":
            planned[name] = mark_unknown(nested["block"], before, proposed[name])
        else:
            pairs = zip_longest(before or [], proposed[name] or [])
            marked = [mark_unknown(nested["block"], old, new) for old, new in pairs]
            planned[name] = [one for one in marked if one is not None]
    return planned


def settle_unknown(values: Any) -> Any:
    """The values with nothing where the far side has nothing to say."""
    if values is Unknown:
        return None
    if isinstance(values, dict):
        return {name: settle_unknown(one) for name, one in values.items()}
    if isinstance(values, list):
        return [settle_unknown(one) for one in values]
    return values


class StandInProvider(rpc.ProviderServicer):
    """One provider, whose schema, rules and made values are ``facts``."""

    def __init__(self, facts: Values, store: FarStore) -> None:
        self.facts, self.store = facts, store
        self.lock = threading.Lock()

    def GetMetadata(self, request: Any, context: Any) -> Any:
        return pb.GetMetadata.Response()

    def GetProviderSchema(self, request: Any, context: Any) -> Any:
        kinds = ("resource_schemas", "data_source_schemas")
        schemas = {kind: {n: build_schema(one) for n, one in self.facts[kind].items()} for kind in kinds}
        return pb.GetProviderSchema.Response(provider=build_schema(self.facts["provider"]), **schemas)

    def ValidateProviderConfig(self, request: Any, context: Any) -> Any:
        return pb.ValidateProviderConfig.Response()

    def ConfigureProvider(self, request: Any, context: Any) -> Any:
        diagnostics = Diagnostics()
        allowed = read_dynamic_value(request.config).get("allowed_account_ids")
        if allowed and self.facts["account"] not in allowed:
            diagnostics.add_error(f"AWS account ID not allowed: {self.facts['account']}")
        return pb.ConfigureProvider.Response(diagnostics=diagnostics.to_pb())

    def ValidateDataResourceConfig(self, request: Any, context: Any) -> Any:
        return pb.ValidateDataResourceConfig.Response()

    def ValidateResourceConfig(self, request: Any, context: Any) -> Any:
        diagnostics, config = Diagnostics(), read_dynamic_value(request.config)
        block = self.facts["resource_schemas"][request.type_name]["block"]
        for name in list_configured(block, config):
            diagnostics.add_error("Invalid argument", f'Can\'t configure a value for "{name}"')
        for text in list_refusals(self._read_rules(request.type_name), config):
            diagnostics.add_error("Invalid value", text)
        return pb.ValidateResourceConfig.Response(diagnostics=diagnostics.to_pb())

    def UpgradeResourceState(self, request: Any, context: Any) -> Any:
        return pb.UpgradeResourceState.Response(
            upgraded_state=to_dynamic_value(json.loads(request.raw_state.json))
        )

    def ReadResource(self, request: Any, context: Any) -> Any:
        current = read_dynamic_value(request.current_state)
        with self.lock:
            found = self.store.find(request.type_name, current["id"])
        names = current.keys()
        # What a test has written beside the object is not part of its schema.
        state = None if found is None else {name: found.get(name) for name in names}
        return pb.ReadResource.Response(new_state=to_dynamic_value(state))

    def PlanResourceChange(self, request: Any, context: Any) -> Any:
        prior = read_dynamic_value(request.prior_state)
        proposed = read_dynamic_value(request.proposed_new_state)
        block = self.facts["resource_schemas"][request.type_name]["block"]
        replaced = [
            pb.AttributePath(steps=[pb.AttributePath.Step(attribute_name=name)])
            for name in self._read_rules(request.type_name).get("replaced", [])
            if prior is not None and proposed is not None and prior[name] != proposed[name]
        ]
        planned = to_dynamic_value(mark_unknown(block, prior, proposed))
        return pb.PlanResourceChange.Response(planned_state=planned, requires_replace=replaced)

    def ApplyResourceChange(self, request: Any, context: Any) -> Any:
        prior = read_dynamic_value(request.prior_state)
        planned = read_dynamic_value(request.planned_state)
        diagnostics, state = Diagnostics(), prior
        try:
            with self.lock:
                state = self._change(request.type_name, prior, planned)
        except FarSideRefusal as refusal:
            diagnostics.add_error(f"{request.type_name} was refused", str(refusal))
        return pb.ApplyResourceChange.Response(
            new_state=to_dynamic_value(state), diagnostics=diagnostics.to_pb()
        )

    def ReadDataSource(self, request: Any, context: Any) -> Any:
        values = read_dynamic_value(request.config) | self.facts["data"][request.type_name]
        return pb.ReadDataSource.Response(state=to_dynamic_value(values))

    def StopProvider(self, request: Any, context: Any) -> Any:
        return pb.StopProvider.Response()

    def _read_rules(self, kind: str) -> Values:
        rules: Values = self.facts["rules"].get(kind, {})
        return rules

    def _change(self, kind: str, prior: Values | None, planned: Values | None) -> Values | None:
        if planned is None:
            self.store.delete(kind, (prior or {})["id"])
            return None
        state = self._name_object(kind, planned)
        if prior is None:
            self.store.create(kind, state)
        else:
            self.store.save(kind, state)
        return state

    def _name_object(self, kind: str, planned: Values) -> Values:
        """The values with the names that the far side gives."""
        state = settle_unknown(planned)
        known = state | {"new_id": make_id(), "new_uuid": str(uuid.uuid4())}
        if isinstance(state.get("config_json"), str):
            known["json_uid"] = json.loads(state["config_json"])["uid"]
        templates = dict(self._read_rules(kind).get("made", {}))
        templates.setdefault("id", "{new_id}")
        for name, template in templates.items():
            if planned.get(name) is Unknown:
                known[name] = state[name] = template.format(**known)
        return dict(state)


def serve(folder: Path) -> None:
    """Serve every provider of ``schemas`` until the input ends."""
    attached, servers = {}, []
    for place in sorted(SCHEMAS.glob("*.json")):
        facts = json.loads(place.read_text(encoding="utf-8"))
        server = grpc.server(futures.ThreadPoolExecutor(max_workers=10))
        provider = StandInProvider(facts, FarStore(folder / place.name))
        rpc.add_ProviderServicer_to_server(provider, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        servers.append(server)
        address = {"Network": "tcp", "String": f"127.0.0.1:{port}"}
        attached[facts["address"]] = {
            "Protocol": "grpc",
            "ProtocolVersion": 6,
            "Pid": os.getpid(),
            "Test": True,
            "Addr": address,
        }
    sys.stdout.write(json.dumps(attached) + "\n")
    sys.stdout.flush()
    sys.stdin.read()
    for server in servers:
        server.stop(grace=None)


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
