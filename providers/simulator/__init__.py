"""The far end of the HTTP call, on loopback: three wire protocols, scenario answers, and faults on demand.

It imports neither Django nor the adapters, so that it starts at once and cannot agree with them by accident.
"""
