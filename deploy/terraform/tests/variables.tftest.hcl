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

# Every value here is refused, each by its own rule.
run "values_that_are_not_of_their_kind" {
  command = plan

  variables {
    account            = "production"
    region             = "eu-central-1a"
    bucket             = "context.bundles"
    primary            = ["PAAAAA1", "PAAAAA2"]
    incident_commander = "lead@example.com"
    rotation_start     = "2026-12-07 09:00"
  }

  expect_failures = [
    var.account,
    var.region,
    var.bucket,
    var.primary,
    var.incident_commander,
    var.rotation_start,
  ]
}

run "values_that_do_not_fit_together" {
  command = plan

  variables {
    log_bucket        = "context-bundles-prod"
    oidc_provider_arn = "arn:aws:iam::111111111111:oidc-provider/oidc.example.com/id/ABC"
    secondary         = ["PAAAAA1", "PBBBBB2"]
  }

  expect_failures = [var.log_bucket, var.oidc_provider_arn, var.secondary]
}

run "a_rotation_of_too_few_and_an_issuer_that_is_not_an_arn" {
  command = plan

  variables {
    bucket            = "Context-Bundles"
    oidc_provider_arn = "https://oidc.example.com/id/ABC"
    secondary         = ["PBBBBB1", "PBBBBB1"]
  }

  expect_failures = [var.bucket, var.oidc_provider_arn, var.secondary]
}

run "three_weeks_of_two_people" {
  command = plan

  variables {
    primary = ["PAAAAA1", "PAAAAA2", "PAAAAA1"]
  }

  expect_failures = [var.primary]
}
