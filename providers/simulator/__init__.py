"""The far end of the HTTP call, on loopback: three wire protocols, scenario answers, and faults on demand.

Knows nothing of Django or of the adapters, so that it starts at once and cannot agree with them by accident.
"""
