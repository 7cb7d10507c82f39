# Values of the shape that AWS gives, where a policy or an output is built from them.
mock_data "aws_partition" {
  defaults = {
    partition = "aws"
  }
}

mock_resource "aws_kms_key" {
  defaults = {
    arn = "arn:aws:kms:eu-central-1:000000000000:key/00000000-0000-0000-0000-000000000000"
  }
}

mock_resource "aws_iam_role" {
  defaults = {
    arn = "arn:aws:iam::000000000000:role/orchestrator"
  }
}

mock_resource "aws_s3_bucket" {
  defaults = {
    id = "id-of-the-bucket"
  }
}
