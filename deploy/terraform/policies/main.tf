# What is allowed, as data: a module without a provider, so that `terraform test` checks it on any machine.
terraform {
  required_version = ">= 1.9"
}

variable "account" {
  type        = string
  description = "The number of the AWS account."
}

variable "partition" {
  type        = string
  description = "aws, or that of another group of regions."
  default     = "aws"
}

variable "bucket" {
  type        = string
  description = "The name of the bucket."
}

variable "key_arn" {
  type        = string
  description = "The key that encrypts the bucket."
}

variable "oidc_provider_arn" {
  type        = string
  description = "The cluster's OIDC provider in IAM."
}

variable "service_account" {
  type        = string
  description = "Namespace and service account of the pods, as in deploy/k8s."
  default     = "production:orchestrator"
}

locals {
  bucket_arn  = "arn:${var.partition}:s3:::${var.bucket}"
  objects_arn = "${local.bucket_arn}/*"
  # arn:aws:iam::1:oidc-provider/HOST/id/X is the issuer HOST/id/X
  issuer = split("oidc-provider/", var.oidc_provider_arn)[1]

  access = {
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "Objects"
        Effect = "Allow"
        # One writes, reads, and prolongs; nobody deletes, shortens or bypasses.
        Action   = ["s3:GetObject", "s3:GetObjectRetention", "s3:PutObject", "s3:PutObjectRetention"]
        Resource = [local.objects_arn]
      },
      {
        Sid    = "Setup"
        Effect = "Allow"
        # Without ListBucket an absent object is refused (403) and looks like an outage. The others are for the check at start.
        Action   = ["s3:GetBucketObjectLockConfiguration", "s3:GetBucketVersioning", "s3:GetLifecycleConfiguration", "s3:ListBucket"]
        Resource = [local.bucket_arn]
      },
      {
        Sid      = "Key"
        Effect   = "Allow"
        Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource = [var.key_arn]
      },
    ]
  }

  trust = {
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "Pods"
        Effect    = "Allow"
        Action    = ["sts:AssumeRoleWithWebIdentity"]
        Principal = { Federated = [var.oidc_provider_arn] }
        Condition = {
          StringEquals = {
            "${local.issuer}:aud" = "sts.amazonaws.com"
            "${local.issuer}:sub" = "system:serviceaccount:${var.service_account}"
          }
        }
      },
    ]
  }

  bucket = {
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "TlsOnly"
        Effect    = "Deny"
        Principal = "*"
        Action    = ["s3:*"]
        Resource  = [local.bucket_arn, local.objects_arn]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
      {
        Sid       = "ModernTls"
        Effect    = "Deny"
        Principal = "*"
        Action    = ["s3:*"]
        Resource  = [local.bucket_arn, local.objects_arn]
        Condition = { NumericLessThan = { "s3:TlsVersion" = "1.2" } }
      },
    ]
  }

  key = {
    Version = "2012-10-17"
    Statement = [
      {
        # Rights in the key's policy are for the account's administrators; pods get theirs by the role.
        Sid       = "Account"
        Effect    = "Allow"
        Principal = { AWS = ["arn:${var.partition}:iam::${var.account}:root"] }
        Action    = ["kms:*"]
        Resource  = ["*"]
      },
    ]
  }
}

output "access" {
  description = "What the pods may do."
  value       = jsonencode(local.access)
}

output "trust" {
  description = "Who may take the role."
  value       = jsonencode(local.trust)
}

output "bucket" {
  description = "What the bucket refuses to everybody."
  value       = jsonencode(local.bucket)
}

output "key" {
  description = "Whose the key is."
  value       = jsonencode(local.key)
}

output "retention" {
  description = "How long a version is kept, at least, and by whom it could be lifted: nobody."
  value       = { mode = "COMPLIANCE", years = 7 }
}

output "archive" {
  description = "When an object moves, and where to."
  value       = { days = 365, class = "GLACIER" }
}
