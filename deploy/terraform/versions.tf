# Versions are bounded, and what `terraform init` picks is written into .terraform.lock.hcl beside this file: commit that one too.
terraform {
  required_version = ">= 1.9"
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
  region = var.region
}
