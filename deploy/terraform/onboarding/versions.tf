# What a repo gets at its onboarding. The orchestrator applies it, see docs/operate/onboarding.md; people can as well:
#   terraform apply -var="repo_name=new-repo" -var="team_lead=alice@company.com"
# Versions are bounded, and what `terraform init` picks is written into .terraform.lock.hcl beside this file: commit that one too.
terraform {
  required_version = ">= 1.9"
  required_providers {
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

# Credentials come from the environment: PAGERDUTY_TOKEN, GRAFANA_URL, GRAFANA_AUTH. No secret is a variable, so none is in a plan.
provider "pagerduty" {
  api_url_override = var.pagerduty_api_url
}

provider "grafana" {}
