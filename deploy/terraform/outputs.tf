output "role_arn" {
  description = "What deploy/k8s/site writes beside eks.amazonaws.com/role-arn."
  value       = aws_iam_role.orchestrator.arn
}

output "bucket" {
  description = "CONTEXT_BUNDLE_BUCKET."
  value       = aws_s3_bucket.evidence.bucket
}
