# Versions are bounded, and what `terraform init` picks is written into .terraform.lock.hcl beside this file: commit that one too.
terraform {
  # The first that locks the state in S3 without a table beside it.
  required_version = ">= 1.11"

  # An existing bucket with versions, other than the one made here: docs/operate/terraform.md.
  backend "s3" {
    key          = "flowengine/terraform.tfstate"
    encrypt      = true
    use_lockfile = true
  }

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.60, < 7.0"
    }
    grafana = {
      source  = "grafana/grafana"
      version = ">= 3.0, < 5.0"
    }
    pagerduty = {
      source  = "PagerDuty/pagerduty"
      version = "~> 3.0"
    }
  }
}

# Credentials come from the environment of whoever applies: AWS_*, GRAFANA_URL, GRAFANA_AUTH, PAGERDUTY_TOKEN.
provider "aws" {
  region              = var.region
  allowed_account_ids = [var.account]

  default_tags {
    tags = merge(var.tags, {
      managed-by = "terraform"
      system     = "multi-llm-orchestrator"
    })
  }
}
