"""The floors of branch coverage: what counts as a package, and what is below."""

from tests.coverage_floors import Share, find_low, name_package, sum_packages


def test_apps_of_the_server_are_packages_of_their_own() -> None:
    paths = ["providers/limiter.py", "orchestrator/flows/engine/claim.py", "orchestrator/settings.py"]
    assert [name_package(path) for path in paths] == ["providers", "orchestrator.flows", "orchestrator"]


def test_statements_and_branches_of_a_package_are_added_up() -> None:
    summary = {"covered_lines": 8, "covered_branches": 1, "num_statements": 10, "num_branches": 2}
    report = {"files": {"gates/a.py": {"summary": summary}, "gates/b/c.py": {"summary": summary}}}
    assert sum_packages(report) == {"gates": Share(reached=18, total=24)}


def test_a_package_below_its_floor_is_named_even_where_the_product_is_above() -> None:
    assert find_low({"gates": Share(84, 100), "providers": Share(980, 1000)}) == [
        "gates has 84.0 %, its floor is 85 %"
    ]


def test_the_product_has_a_floor_above_that_of_its_packages() -> None:
    assert find_low({"gates": Share(88, 100)}) == ["the product has 88.0 %, its floor is 90 %"]
