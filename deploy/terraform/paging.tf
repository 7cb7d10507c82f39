# Who is on call. The escalation of 5, 10 and 15 minutes is in deploy/pagerduty, which the tests of the alerts read too.
locals {
  week = 7 * 24 * 3600
  rotations = {
    primary   = var.primary
    secondary = var.secondary
  }
}

resource "pagerduty_schedule" "rotation" {
  for_each = local.rotations

  name      = each.key == "primary" ? "flowengine-oncall" : "flowengine-oncall-${each.key}"
  time_zone = "Etc/UTC"

  layer {
    name                         = "weekly"
    start                        = var.rotation_start
    rotation_virtual_start       = var.rotation_start
    rotation_turn_length_seconds = local.week
    users                        = each.value
  }
}

module "paging" {
  source = "../pagerduty"

  primary_schedule   = pagerduty_schedule.rotation["primary"].id
  secondary_schedule = pagerduty_schedule.rotation["secondary"].id
  incident_commander = var.incident_commander
}
