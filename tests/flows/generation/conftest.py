import pytest

from tests.flows.stages.fakes import FakeStageContext


@pytest.fixture
def work() -> FakeStageContext:
    return FakeStageContext()
