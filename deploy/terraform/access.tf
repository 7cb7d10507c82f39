data "aws_partition" "current" {}

module "policies" {
  source = "./policies"

  account           = var.account
  partition         = data.aws_partition.current.partition
  bucket            = var.bucket
  key_arn           = aws_kms_key.evidence.arn
  oidc_provider_arn = var.oidc_provider_arn
}

# The pods of the service account `orchestrator` in the namespace `production`, and nobody else.
resource "aws_iam_role" "orchestrator" {
  name                 = "orchestrator"
  description          = "Pods of the Multi-LLM Orchestrator"
  assume_role_policy   = module.policies.trust
  max_session_duration = 3600
}

resource "aws_iam_role_policy" "store" {
  name   = "store"
  role   = aws_iam_role.orchestrator.id
  policy = module.policies.access
}
