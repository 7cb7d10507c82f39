# Bundles and evidence. Object Lock is set when a bucket is made and never again: nobody, not the account itself, deletes or changes
# a version before its seven years are over.
resource "aws_s3_bucket" "evidence" {
  bucket              = var.bucket
  object_lock_enabled = true

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_versioning" "evidence" {
  bucket = aws_s3_bucket.evidence.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_object_lock_configuration" "evidence" {
  bucket = aws_s3_bucket.evidence.id

  rule {
    default_retention {
      mode  = module.policies.retention.mode
      years = module.policies.retention.years
    }
  }

  depends_on = [aws_s3_bucket_versioning.evidence]
}

# No rule expires an object: a delete marker would hide what the log names, although the lock keeps it.
resource "aws_s3_bucket_lifecycle_configuration" "evidence" {
  bucket = aws_s3_bucket.evidence.id

  rule {
    id     = "archive"
    status = "Enabled"

    filter {}

    transition {
      days          = module.policies.archive.days
      storage_class = module.policies.archive.class
    }

    # Nobody reads a version that another one has replaced. The lock keeps it all the same.
    noncurrent_version_transition {
      noncurrent_days = 30
      storage_class   = module.policies.archive.class
    }

    # Parts of uploads that were never finished are no versions, and no lock keeps them.
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  depends_on = [aws_s3_bucket_versioning.evidence]
}

resource "aws_kms_key" "evidence" {
  description             = "Bundles and evidence in ${var.bucket}"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy                  = module.policies.key

  # Without the key, seven years of evidence are noise.
  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "evidence" {
  bucket = aws_s3_bucket.evidence.id

  rule {
    bucket_key_enabled = true

    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.evidence.arn
    }
  }
}

resource "aws_s3_bucket_public_access_block" "evidence" {
  bucket                  = aws_s3_bucket.evidence.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "evidence" {
  bucket = aws_s3_bucket.evidence.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_policy" "evidence" {
  bucket = aws_s3_bucket.evidence.id
  policy = module.policies.bucket

  depends_on = [aws_s3_bucket_public_access_block.evidence]
}

resource "aws_s3_bucket_logging" "evidence" {
  bucket        = aws_s3_bucket.evidence.id
  target_bucket = var.log_bucket
  target_prefix = "${var.bucket}/"
}
