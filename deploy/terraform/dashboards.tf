# The dashboards of deploy/grafana, for a Grafana that reads no files of ours.
resource "grafana_folder" "blocks" {
  title = "Blocks"
  uid   = "blocks"
  # Each onboarded repo has its dashboard here, made by deploy/terraform/onboarding.
  prevent_destroy_if_not_empty = true
}

resource "grafana_dashboard" "dashboard" {
  for_each = fileset("${path.module}/../grafana/dashboards", "*.json")

  folder      = grafana_folder.blocks.uid
  config_json = file("${path.module}/../grafana/dashboards/${each.value}")
  # What somebody has changed by hand goes: the files are written from the product's own description.
  overwrite = true
}
