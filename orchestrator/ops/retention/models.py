"""Up to which ended flow something was removed."""

from django.db import models


class RetentionMark(models.Model):
    """The last flow, by the time of its end, whose rows of one ``kind`` were removed."""

    kind = models.CharField(primary_key=True, max_length=20)
    finished_at = models.DateTimeField()
    # A plain id: only its place in the order counts.
    flow = models.CharField(max_length=25)

    def __str__(self) -> str:
        return f"{self.kind} up to {self.flow}"
