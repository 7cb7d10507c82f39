"""The version of this release: the wheel, the image and the answer of ``/health`` carry it."""

VERSION = "0.1.0"
