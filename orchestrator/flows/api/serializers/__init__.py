"""The shapes of flows and of what belongs to a flow, a module for each resource: the source of answers and
OpenAPI.

The order of the fields is the order in the answer. Amounts are USD as decimal digits, without padding;
durations are seconds. ``tests/rest/answers.json`` holds every shape byte for byte.
"""
