mock_provider "aws" {
  source          = "./tests/mocks/aws"
  override_during = plan
}

mock_provider "grafana" {
  override_during = plan
}

mock_provider "pagerduty" {
  override_during = plan
}

run "kept_for_seven_years_and_archived" {
  command = plan

  assert {
    condition     = aws_s3_bucket.evidence.object_lock_enabled && aws_s3_bucket.evidence.force_destroy != true
    error_message = "The bucket has no Object Lock, or Terraform may empty it."
  }

  assert {
    condition     = one(aws_s3_bucket_versioning.evidence.versioning_configuration).status == "Enabled"
    error_message = "The bucket keeps no versions."
  }

  assert {
    condition = alltrue([
      for one in one(aws_s3_bucket_object_lock_configuration.evidence.rule).default_retention :
      one.mode == "COMPLIANCE" && one.years == 7 && one.days == null
    ])
    error_message = "The runbook expects Mode=COMPLIANCE, Years=7."
  }

  assert {
    condition = anytrue(flatten([
      for rule in aws_s3_bucket_lifecycle_configuration.evidence.rule : [
        for one in rule.transition : rule.status == "Enabled" && one.days == 365 && one.storage_class == "GLACIER"
      ]
    ]))
    error_message = "The runbook archives to Glacier after a year."
  }

  assert {
    condition = alltrue([
      for rule in aws_s3_bucket_lifecycle_configuration.evidence.rule :
      length(rule.expiration) == 0 && length(rule.noncurrent_version_expiration) == 0
    ])
    error_message = "A rule expires objects or versions."
  }

  assert {
    condition = alltrue(flatten([
      for rule in aws_s3_bucket_lifecycle_configuration.evidence.rule : [
        one(rule.abort_incomplete_multipart_upload).days_after_initiation == 7,
        one(rule.noncurrent_version_transition).noncurrent_days == 30,
      ]
    ]))
    error_message = "Unfinished uploads or replaced versions stay where they are the most expensive."
  }
}

run "encrypted_and_closed" {
  command = plan

  assert {
    condition = alltrue(flatten([
      for rule in aws_s3_bucket_server_side_encryption_configuration.evidence.rule : [
        for one in rule.apply_server_side_encryption_by_default :
        one.sse_algorithm == "aws:kms" && one.kms_master_key_id == aws_kms_key.evidence.arn
      ]
    ]))
    error_message = "The bucket is not encrypted with the key of this module."
  }

  assert {
    condition     = aws_kms_key.evidence.enable_key_rotation && aws_kms_key.evidence.deletion_window_in_days == 30
    error_message = "The key does not rotate, or could be gone within days."
  }

  assert {
    condition     = aws_kms_key.evidence.policy == module.policies.key
    error_message = "The key has another policy than the one that is tested."
  }

  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.evidence.block_public_acls,
      aws_s3_bucket_public_access_block.evidence.block_public_policy,
      aws_s3_bucket_public_access_block.evidence.ignore_public_acls,
      aws_s3_bucket_public_access_block.evidence.restrict_public_buckets,
    ])
    error_message = "A way to the public is open."
  }

  assert {
    condition     = one(aws_s3_bucket_ownership_controls.evidence.rule).object_ownership == "BucketOwnerEnforced"
    error_message = "An object could belong to another account."
  }

  assert {
    condition = sort([for one in jsondecode(aws_s3_bucket_policy.evidence.policy).Statement : "${one.Effect} ${one.Sid}"]) == tolist([
      "Deny ModernTls", "Deny TlsOnly",
    ])
    error_message = "The policy of the bucket allows something, or no longer asks for TLS."
  }

  assert {
    condition     = aws_s3_bucket_logging.evidence.target_bucket == var.log_bucket
    error_message = "Nobody logs who reads."
  }

  assert {
    condition = toset([
      aws_s3_bucket_versioning.evidence.bucket,
      aws_s3_bucket_object_lock_configuration.evidence.bucket,
      aws_s3_bucket_lifecycle_configuration.evidence.bucket,
      aws_s3_bucket_server_side_encryption_configuration.evidence.bucket,
      aws_s3_bucket_public_access_block.evidence.bucket,
      aws_s3_bucket_ownership_controls.evidence.bucket,
      aws_s3_bucket_policy.evidence.bucket,
      aws_s3_bucket_logging.evidence.bucket,
    ]) == toset([aws_s3_bucket.evidence.id])
    error_message = "A setting is of another bucket."
  }
}
