"""The shapes of reports."""

from typing import Any

from rest_framework import serializers


class ReportLineSerializer(serializers.Serializer[Any]):
    """One figure of a report."""

    key = serializers.CharField()
    title = serializers.CharField()
    unit = serializers.CharField(help_text="`percent`, `s`, `currencyUSD`, `h`, `none` (times) or `short`.")
    value = serializers.FloatField(allow_null=True, help_text="null where there was nothing to compute from.")
    words = serializers.CharField(help_text="The value as people read it.")
    target = serializers.CharField(help_text="What it should be; empty without a target.")
    met = serializers.BooleanField(allow_null=True, help_text="null without a target or a value.")
    before = serializers.FloatField(allow_null=True, help_text="The value of the period before.")
    change = serializers.CharField(help_text="How it compares with the period before, in words.")
    note = serializers.CharField(help_text="What is counted.")
    flows = serializers.CharField(help_text="The page with the flows behind the figure.")


class ReportRowSerializer(serializers.Serializer[Any]):
    """One row of a table: a part, a day or a week."""

    name = serializers.CharField()
    values = serializers.ListField(child=serializers.FloatField(allow_null=True))
    words = serializers.ListField(child=serializers.CharField(allow_blank=True))
    met = serializers.BooleanField(allow_null=True)
    flows = serializers.CharField()


class ReportTableSerializer(serializers.Serializer[Any]):
    """Figures by part or by day; the values of a row are in the order of the columns."""

    key = serializers.CharField()
    title = serializers.CharField()
    unit = serializers.CharField()
    columns = serializers.ListField(child=serializers.CharField())
    rows = ReportRowSerializer(many=True)
    target = serializers.CharField()
    left_out = serializers.IntegerField(help_text="How many smaller parts are not in the rows.")


class ReportSectionSerializer(serializers.Serializer[Any]):
    """Figures and tables under a heading."""

    title = serializers.CharField()
    lines = ReportLineSerializer(many=True)
    tables = ReportTableSerializer(many=True)


class ReportAssumptionSerializer(serializers.Serializer[Any]):
    """What the return on spend assumes."""

    setting = serializers.CharField()
    title = serializers.CharField()
    value = serializers.CharField()


class ReportFileSerializer(serializers.Serializer[Any]):
    """One file of an evidence package."""

    path = serializers.CharField(help_text="Where the launch runbook looks for it.")
    text = serializers.CharField(help_text="Markdown.")


class ReportSerializer(serializers.Serializer[Any]):
    """A report. Days and moments are UTC."""

    kind = serializers.CharField()
    title = serializers.CharField()
    repo = serializers.CharField(help_text="Empty for all repos.")
    first = serializers.DateField()
    last = serializers.DateField()
    since = serializers.DateTimeField(help_text="What happened before does not count.")
    until = serializers.DateTimeField()
    written_at = serializers.DateTimeField(
        allow_null=True, help_text="When it was stored for good; null for one that was made for this answer."
    )
    digest = serializers.CharField(help_text="SHA-256 of a stored report; empty otherwise.")
    sections = ReportSectionSerializer(many=True)
    assumptions = ReportAssumptionSerializer(many=True)
    files = ReportFileSerializer(many=True, help_text="The evidence package; a soak report has one.")
