account            = "000000000000"
region             = "eu-central-1"
log_bucket         = "access-logs"
oidc_provider_arn  = "arn:aws:iam::000000000000:oidc-provider/oidc.example.com/id/ABC"
primary            = ["PAAAAA1", "PAAAAA2", "PAAAAA3"]
secondary          = ["PBBBBB1", "PBBBBB2"]
incident_commander = "PCCCCC1"
rotation_start     = "2026-12-07T09:00:00Z"
