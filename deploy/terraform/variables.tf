variable "region" {
  type        = string
  description = "Where the bucket and its key are."
}

variable "bucket" {
  type        = string
  description = "The bucket of bundles and evidence: CONTEXT_BUNDLE_BUCKET."
  default     = "context-bundles-prod"
}

variable "log_bucket" {
  type        = string
  description = "An existing bucket that takes the log of every access."
}

variable "oidc_provider_arn" {
  type        = string
  description = "The cluster's OIDC provider in IAM; the role is for pods of that cluster."
}

variable "primary" {
  type        = list(string)
  description = "PagerDuty ids of the three SRE engineers who have a week each."

  validation {
    condition     = length(var.primary) >= 3
    error_message = "The runbook's primary rotation has three engineers."
  }
}

variable "secondary" {
  type        = list(string)
  description = "PagerDuty ids of the two engineering team leads."

  validation {
    condition     = length(var.secondary) >= 2
    error_message = "The runbook's secondary rotation has two team leads."
  }
}

variable "incident_commander" {
  type        = string
  description = "PagerDuty id of the SRE lead."
}

variable "rotation_start" {
  type        = string
  description = "When the first shift begins, such as 2026-12-07T09:00:00Z. Later changes move the shifts."
}
