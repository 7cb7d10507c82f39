"""What happened on each day, counted: so that metrics and charts do not read a million flows.

Days are UTC. ``days`` fills the tables, ``totals`` and the dashboards read them together with what is newer.
Every row can be counted again from flows, events, calls and gate results, with the same result.
"""

from django.db import models


class RollupDay(models.Model):
    """How far a day is counted: everything before ``through`` is in the tables below.

    The newest row says from when on readers have to count by themselves.
    """

    day = models.DateField(primary_key=True)
    through = models.DateTimeField()
    counted_at = models.DateTimeField()

    class Meta:
        ordering = ["-day"]

    def __str__(self) -> str:
        return f"{self.day} up to {self.through}"


class DailyCount(models.Model):
    """What every table has: a day, and the repo and the block family that the numbers are of.

    Names and not keys: a number stays what it was when a repo is renamed.
    """

    day = models.DateField()
    repo = models.CharField(max_length=100)
    block_family = models.CharField(max_length=100, blank=True, default="", db_default="")

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.day} {self.repo}"


class FlowDay(DailyCount):
    """Flows that were created on a day, and those that ended on it.

    ``outcome`` is created, passed, failed or cancelled. ``seconds`` from creation to end, ``usd`` and
    ``quality`` are sums over the flows that passed; a flow that failed twice counts twice, as an event does.
    """

    outcome = models.CharField(max_length=10)
    error_code = models.CharField(max_length=100, blank=True, default="", db_default="")
    flows = models.PositiveBigIntegerField()
    seconds = models.FloatField()
    usd = models.DecimalField(max_digits=20, decimal_places=9)
    blocks = models.PositiveBigIntegerField()
    quality = models.FloatField()
    # Orders families by their first flow, so that the labels of a metric are the first so many for good.
    first_flow = models.CharField(max_length=25)

    class Meta:
        indexes = [models.Index(fields=["day"], name="rollup_flow_day")]


class SpreadDay(DailyCount):
    """How many of the flows that passed on a day were within a bound, and above the bound before.

    ``measure`` is seconds or usd. The bounds are the buckets of the exporter's histograms.
    """

    measure = models.CharField(max_length=10)
    bound = models.FloatField()
    flows = models.PositiveBigIntegerField()

    class Meta:
        indexes = [models.Index(fields=["day"], name="rollup_spread_day")]


class CallDay(DailyCount):
    """Calls to a model that were made on a day, with tokens and USD.

    ``outages`` are calls that the provider did not answer, or not in a form that can be read.
    """

    provider = models.CharField(max_length=20)
    model = models.CharField(max_length=100)
    settled = models.PositiveBigIntegerField()
    released = models.PositiveBigIntegerField()
    unknown = models.PositiveBigIntegerField()
    outages = models.PositiveBigIntegerField()
    input_tokens = models.PositiveBigIntegerField()
    cached_tokens = models.PositiveBigIntegerField()
    output_tokens = models.PositiveBigIntegerField()
    reasoning_tokens = models.PositiveBigIntegerField()
    usd = models.DecimalField(max_digits=20, decimal_places=9)

    class Meta:
        indexes = [models.Index(fields=["day"], name="rollup_call_day")]


class GateDay(DailyCount):
    """Reports of a gate on a day. ``score`` is the sum over ``scored`` reports, in percent.

    ``first_tries`` are those of a flow's first round, ``first_passed`` those among them that passed.
    """

    gate = models.CharField(max_length=50)
    passed = models.PositiveBigIntegerField()
    failed = models.PositiveBigIntegerField()
    errored = models.PositiveBigIntegerField()
    first_tries = models.PositiveBigIntegerField()
    first_passed = models.PositiveBigIntegerField()
    scored = models.PositiveBigIntegerField()
    score = models.FloatField()

    class Meta:
        indexes = [models.Index(fields=["day"], name="rollup_gate_day")]


class StarterDay(DailyCount):
    """Flows that a person or a token started on a day: who uses the system."""

    starter = models.CharField(max_length=150, blank=True, default="", db_default="")
    flows = models.PositiveBigIntegerField()

    class Meta:
        indexes = [models.Index(fields=["day"], name="rollup_starter_day")]
