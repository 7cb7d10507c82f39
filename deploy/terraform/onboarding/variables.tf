variable "repo_name" {
  type        = string
  description = "The repo as the orchestrator names it."

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9._-]{0,99}$", var.repo_name))
    error_message = "Lower-case letters, digits, dots, dashes and underscores, at most 100."
  }
}

variable "team_lead" {
  type        = string
  description = "The e-mail address of the team lead."
}

variable "reference" {
  type        = string
  description = "The onboarding request; with it objects are found again after a crash."
  default     = "by-hand"
}

variable "escalation_policy" {
  type        = string
  description = "The escalation policy that pages for the repo; deploy/pagerduty makes it."
  default     = "flowengine"
}

variable "pagerduty_api_url" {
  type        = string
  description = "PagerDuty's API where it is not the usual one: https://api.eu.pagerduty.com."
  default     = null
}

variable "grafana_folder" {
  type        = string
  description = "The uid of the folder of the dashboard."
  default     = "blocks"
}

variable "dashboard_file" {
  type        = string
  description = "The dashboard of one repo; null: the one of deploy/grafana."
  default     = null
}
