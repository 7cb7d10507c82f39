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

run "the_pods_have_the_rights_of_the_store_and_no_more" {
  command = plan

  assert {
    condition = toset(flatten(jsondecode(aws_iam_role_policy.store.policy).Statement[*].Action)) == toset([
      "kms:Decrypt",
      "kms:GenerateDataKey",
      "s3:GetBucketObjectLockConfiguration",
      "s3:GetBucketVersioning",
      "s3:GetLifecycleConfiguration",
      "s3:GetObject",
      "s3:GetObjectRetention",
      "s3:ListBucket",
      "s3:PutObject",
      "s3:PutObjectRetention",
    ])
    error_message = "The role has another right, or lacks one."
  }

  assert {
    condition = toset(flatten(jsondecode(aws_iam_role_policy.store.policy).Statement[*].Resource)) == toset([
      "arn:aws:s3:::context-bundles-prod",
      "arn:aws:s3:::context-bundles-prod/*",
      aws_kms_key.evidence.arn,
    ])
    error_message = "A right reaches beyond the bucket and its key."
  }

  assert {
    condition     = alltrue([for one in jsondecode(aws_iam_role_policy.store.policy).Statement : one.Effect == "Allow"])
    error_message = "A statement is not the plain grant that the lists above describe."
  }

  assert {
    condition     = aws_iam_role_policy.store.role == aws_iam_role.orchestrator.id
    error_message = "The rights belong to another role."
  }

  assert {
    condition = jsondecode(aws_iam_role.orchestrator.assume_role_policy).Statement == [{
      Sid       = "Pods"
      Effect    = "Allow"
      Action    = ["sts:AssumeRoleWithWebIdentity"]
      Principal = { Federated = [var.oidc_provider_arn] }
      Condition = {
        StringEquals = {
          "oidc.example.com/id/ABC:aud" = "sts.amazonaws.com"
          "oidc.example.com/id/ABC:sub" = "system:serviceaccount:production:orchestrator"
        }
      }
    }]
    error_message = "Somebody else can take the role, or the pods cannot."
  }

  assert {
    condition     = aws_iam_role.orchestrator.max_session_duration == 3600
    error_message = "A stolen session lasts longer than an hour."
  }

  assert {
    condition = [output.bucket, output.role_arn, output.key_arn] == [
      var.bucket, aws_iam_role.orchestrator.arn, aws_kms_key.evidence.arn,
    ]
    error_message = "An output names something else."
  }

  assert {
    condition     = [output.grafana_folder, output.escalation_policy] == ["blocks", "flowengine"]
    error_message = "Onboarding looks for the folder `blocks` and the policy `flowengine`, unless it is told otherwise."
  }
}
