"""Turns a CSV of orders into JSON lines and an XML summary, and reads the summary back."""

import csv
import io
import json
import xml.etree.ElementTree as ET


def convert_orders(text: str) -> dict[str, str]:
    """The orders as JSON lines and as XML."""
    rows = list(csv.DictReader(io.StringIO(text)))
    lines = [json.dumps({"sku": row["sku"], "n": int(row["n"])}, sort_keys=True) for row in rows]
    root = ET.Element("orders", count=str(len(rows)))
    for row in rows:
        ET.SubElement(root, "order", sku=row["sku"]).text = row["n"]
    return {"json": "\n".join(lines), "xml": ET.tostring(root, encoding="unicode")}


def count_orders(xml: str) -> int:
    """How many orders a summary holds."""
    root = ET.fromstring(xml)
    return sum(int(order.text or "0") for order in root.iter("order"))
