variable "account" {
  type        = string
  description = "The number of the AWS account. Credentials of another account are refused."

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account))
    error_message = "An AWS account has a number of twelve digits."
  }
}

variable "region" {
  type        = string
  description = "Where the bucket and its key are."

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "A region is written as eu-central-1."
  }
}

variable "bucket" {
  type        = string
  description = "The bucket of bundles and evidence: CONTEXT_BUNDLE_BUCKET."
  default     = "context-bundles-prod"

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.bucket))
    error_message = "A bucket has 3 to 63 lower-case letters, digits and dashes. Dots break TLS."
  }
}

variable "log_bucket" {
  type        = string
  description = "An existing bucket of the same region and account that takes the log of every access; its policy lets logging.s3.amazonaws.com write."

  validation {
    condition     = var.log_bucket != var.bucket
    error_message = "The log of the bucket would go into the bucket itself, and each entry would cause another."
  }
}

variable "oidc_provider_arn" {
  type        = string
  description = "The cluster's OIDC provider in IAM; the role is for pods of that cluster."

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:iam::${var.account}:oidc-provider/[^/]+", var.oidc_provider_arn))
    error_message = "Expected arn:aws:iam::ACCOUNT:oidc-provider/HOST/PATH, in the account of the bucket."
  }
}

variable "primary" {
  type        = list(string)
  description = "PagerDuty ids of the three SRE engineers who have a week each."

  validation {
    condition     = length(distinct(var.primary)) >= 3
    error_message = "The runbook's primary rotation has three engineers."
  }
}

variable "secondary" {
  type        = list(string)
  description = "PagerDuty ids of the two engineering team leads."

  validation {
    condition     = length(distinct(var.secondary)) >= 2
    error_message = "The runbook's secondary rotation has two team leads."
  }

  validation {
    condition     = length(setintersection(var.primary, var.secondary)) == 0
    error_message = "Somebody is in both rotations and would be asked twice, with nobody behind them."
  }
}

variable "incident_commander" {
  type        = string
  description = "PagerDuty id of the SRE lead."

  validation {
    condition     = can(regex("^[A-Z0-9]+$", var.incident_commander))
    error_message = "The id that the address of a PagerDuty user ends with, such as PXPGF42; not an e-mail address."
  }
}

variable "rotation_start" {
  type        = string
  description = "When the first shift begins, such as 2026-12-07T09:00:00Z. Later changes move the shifts."

  validation {
    condition     = can(timeadd(var.rotation_start, "0s"))
    error_message = "A moment with its time zone, as 2026-12-07T09:00:00Z."
  }
}

variable "tags" {
  type        = map(string)
  description = "Tags of your own for everything in AWS, such as a cost centre."
  default     = {}
}
