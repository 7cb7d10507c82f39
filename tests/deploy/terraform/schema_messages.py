"""The schemas of ``schemas/*.json`` as messages of Terraform's plugin protocol, version 6."""

import json
from typing import Any

from tf.gen import tfplugin_pb2 as pb

Schema = dict[str, Any]


def build_schema(schema: Schema) -> pb.Schema:
    """One schema, as ``terraform providers schema -json`` writes it."""
    return pb.Schema(version=schema["version"], block=_build_block(schema["block"]))


def _build_block(block: Schema) -> pb.Schema.Block:
    return pb.Schema.Block(
        attributes=[_build_attribute(name, one) for name, one in block.get("attributes", {}).items()],
        block_types=[_build_nested(name, one) for name, one in block.get("block_types", {}).items()],
    )


def _build_attribute(name: str, attribute: Schema) -> pb.Schema.Attribute:
    flags = {one: attribute.get(one, False) for one in ("required", "optional", "computed", "sensitive")}
    return pb.Schema.Attribute(name=name, type=json.dumps(attribute["type"]).encode(), **flags)


def _build_nested(name: str, nested: Schema) -> pb.Schema.NestedBlock:
    return pb.Schema.NestedBlock(
        type_name=name,
        block=_build_block(nested["block"]),
        nesting=pb.Schema.NestedBlock.NestingMode.Value(nested["nesting_mode"].upper()),
        min_items=nested.get("min_items", 0),
        max_items=nested.get("max_items", 0),
    )
