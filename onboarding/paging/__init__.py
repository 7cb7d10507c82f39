"""Pages of one repo: its own service in PagerDuty is told what its team can change."""
