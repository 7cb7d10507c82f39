locals {
  mark = "managed-by: multi-llm-orchestrator ${var.reference}"
  # The address in the confirmation is GRAFANA/d/REPO. A uid has at most 40 characters, and no dots.
  plain = replace(var.repo_name, ".", "-")
  uid   = local.plain == var.repo_name && length(local.plain) <= 40 ? local.plain : "${substr(local.plain, 0, 31)}-${substr(sha256(var.repo_name), 0, 8)}"

  file = coalesce(var.dashboard_file, "${path.module}/../../grafana/dashboards/flowengine-repo.json")
  # Without the version, which Grafana counts itself.
  template = { for name, value in jsondecode(file(local.file)) : name => value if name != "version" }
  # The same panels; where the shared dashboard lets people choose a repo, this one has its own.
  others = [for one in local.template.templating.list : one if one.name != "repo"]
  repo   = { name = "repo", label = "Repo", type = "constant", query = var.repo_name, hide = 2 }
}

data "pagerduty_escalation_policy" "oncall" {
  name = var.escalation_policy
}

resource "pagerduty_service" "repo" {
  name                    = "blocks ${var.repo_name}"
  description             = "Verified blocks of ${var.repo_name}; its lead is ${var.team_lead}. ${local.mark}"
  escalation_policy       = data.pagerduty_escalation_policy.oncall.id
  alert_creation          = "create_alerts_and_incidents"
  acknowledgement_timeout = "1800"
  auto_resolve_timeout    = "null"
}

resource "pagerduty_service_integration" "events" {
  service = pagerduty_service.repo.id
  name    = "blocks"
  type    = "events_api_v2_inbound_integration"
}

resource "grafana_dashboard" "repo" {
  folder = var.grafana_folder
  # A dashboard that somebody else has under this uid is not overwritten.
  overwrite = false
  config_json = jsonencode(merge(local.template, {
    uid         = local.uid
    title       = "Blocks: ${var.repo_name}"
    description = local.mark
    tags        = concat(local.template.tags, ["repo:${var.repo_name}", local.mark])
    templating  = { list = concat(local.others, [local.repo]) }
  }))
}
