mock_provider "aws" {
  source          = "./tests/mocks/aws"
  override_during = plan
}

mock_provider "grafana" {
  override_during = plan
}

mock_provider "pagerduty" {
  override_during = plan

  mock_resource "pagerduty_escalation_policy" {
    defaults = {
      id = "id-of-the-policy"
    }
  }
}

run "a_week_each" {
  command = plan

  assert {
    condition     = { for key, one in pagerduty_schedule.rotation : key => one.layer[0].users } == { primary = var.primary, secondary = var.secondary }
    error_message = "A rotation has other people than it was given."
  }

  assert {
    condition = alltrue([
      for one in pagerduty_schedule.rotation :
      length(one.layer) == 1 && one.layer[0].rotation_turn_length_seconds == 604800 && one.time_zone == "Etc/UTC"
    ])
    error_message = "A shift is not a week, or changes with the season."
  }

  assert {
    condition     = alltrue([for one in pagerduty_schedule.rotation : length(one.layer[0].restriction) == 0])
    error_message = "At some hours nobody is on call."
  }
}

run "five_ten_and_fifteen_minutes" {
  command = plan

  module {
    source = "../pagerduty"
  }

  variables {
    primary_schedule   = "PRIMARY"
    secondary_schedule = "SECONDARY"
    incident_commander = "COMMANDER"
  }

  assert {
    condition     = tolist(pagerduty_escalation_policy.flowengine.rule[*].escalation_delay_in_minutes) == tolist([5, 10, 15])
    error_message = "The runbook escalates after 5, 10 and 15 minutes."
  }

  assert {
    condition = [for one in pagerduty_escalation_policy.flowengine.rule : "${one.target[0].type} ${one.target[0].id}"] == [
      "schedule_reference PRIMARY", "schedule_reference SECONDARY", "user_reference COMMANDER",
    ]
    error_message = "Other people are paged, or in another order."
  }

  assert {
    condition     = pagerduty_service.flowengine.escalation_policy == pagerduty_escalation_policy.flowengine.id
    error_message = "The service pages by another policy."
  }
}
