output "role_arn" {
  description = "What deploy/k8s/site writes beside eks.amazonaws.com/role-arn."
  value       = aws_iam_role.orchestrator.arn
}

output "bucket" {
  description = "CONTEXT_BUNDLE_BUCKET."
  value       = aws_s3_bucket.evidence.bucket
}

output "key_arn" {
  description = "The key that encrypts the bucket. Whoever reads evidence by hand needs kms:Decrypt on it."
  value       = aws_kms_key.evidence.arn
}

output "escalation_policy" {
  description = "PAGERDUTY_ESCALATION_POLICY."
  value       = module.paging.escalation_policy
}

output "grafana_folder" {
  description = "GRAFANA_FOLDER."
  value       = grafana_folder.blocks.uid
}
