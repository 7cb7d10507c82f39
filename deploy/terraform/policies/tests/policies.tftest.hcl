variables {
  account           = "000000000000"
  bucket            = "context-bundles-prod"
  key_arn           = "arn:aws:kms:eu-central-1:000000000000:key/00000000-0000-0000-0000-000000000000"
  oidc_provider_arn = "arn:aws:iam::000000000000:oidc-provider/oidc.example.com/id/ABC"
}

run "kept_for_seven_years" {
  command = plan

  assert {
    condition     = output.retention.mode == "COMPLIANCE" && output.retention.years == 7
    error_message = "The runbook expects Mode=COMPLIANCE, Years=7."
  }

  assert {
    condition     = output.archive.days == 365 && output.archive.class == "GLACIER"
    error_message = "The runbook archives to Glacier after a year."
  }
}

run "nobody_deletes_or_bypasses" {
  command = plan

  assert {
    condition     = !can(regex("(?i)delete|bypass|[*]", join(",", flatten(jsondecode(output.access).Statement[*].Action))))
    error_message = "A pod may delete, bypass the lock, or do everything of a kind."
  }

  assert {
    condition     = alltrue([for one in jsondecode(output.access).Statement : !contains(one.Resource, "*")])
    error_message = "A right is for every resource."
  }
}

run "only_the_pods_of_one_service_account" {
  command = plan

  assert {
    condition     = jsondecode(output.trust).Statement[0].Condition.StringEquals["oidc.example.com/id/ABC:sub"] == "system:serviceaccount:production:orchestrator"
    error_message = "Another service account could take the role."
  }
}

run "tls_only" {
  command = plan

  assert {
    condition = anytrue([
      for one in jsondecode(output.bucket).Statement :
      one.Effect == "Deny" && try(one.Condition.Bool["aws:SecureTransport"], "") == "false" && one.Principal == "*"
    ])
    error_message = "The bucket takes requests without TLS."
  }
}
