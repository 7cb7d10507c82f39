"""Settings of the development set-up: the storage keys are the documented examples of the vendor, not ours."""

REGION = "eu-central-1"
STORAGE_KEY_ID = "AKIAIOSFODNN7EXAMPLE"
STORAGE_SECRET_KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
ATTACHMENT_BUCKET = "notification-attachments-dev"
