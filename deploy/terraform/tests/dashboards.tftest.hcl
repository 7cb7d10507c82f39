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

run "the_files_of_deploy_grafana_in_their_folder" {
  command = plan

  assert {
    condition = { for name, one in grafana_dashboard.dashboard : name => jsondecode(one.config_json).uid } == {
      for name in fileset("../grafana/dashboards", "*.json") : name => trimsuffix(name, ".json")
    }
    error_message = "A file is missing, or a dashboard is not at the address that its file has as name."
  }

  assert {
    condition     = alltrue([for name, one in grafana_dashboard.dashboard : one.config_json == file("../grafana/dashboards/${name}")])
    error_message = "A dashboard is not its file."
  }

  assert {
    condition     = length(grafana_dashboard.dashboard) >= 6
    error_message = "The runbook has five dashboards, and one for each repo."
  }

  assert {
    condition     = toset([for one in grafana_dashboard.dashboard : one.folder]) == toset([grafana_folder.blocks.uid])
    error_message = "A dashboard is in another folder."
  }

  assert {
    condition     = grafana_folder.blocks.uid == "blocks" && grafana_folder.blocks.prevent_destroy_if_not_empty
    error_message = "Removing the folder would remove the dashboards of repos."
  }
}
