"""Files of records: strict, bounded, all bad lines at once, all or nothing, and safe to send twice."""

import threading

import pytest
from django.db import connection

from orchestrator.ops.training import csv_import
from orchestrator.ops.training.csv_import import import_csv
from orchestrator.ops.training.errors import CsvRefused
from orchestrator.ops.training.import_kinds import IMPORT_KINDS
from orchestrator.ops.training.models import Certificate, Feedback, Trainee, TrainingScore, TrainingSession
from tests.ops.training import records
from tests.rest.conftest import as_token, keys, operator, repo  # noqa: F401 - fixtures

PEOPLE = "email,name,team,duty\n"


def send(client, kind, text):
    """The answer of REST to a file."""
    return client.post(f"/api/v1/training/imports/{kind}/", {"csv": text}, format="json")


def test_every_bad_line_is_named_at_once_and_nothing_is_written(operator):  # noqa: F811
    text = (
        PEOPLE + "ann@example.org,Ann,payments,none\n"
        "not-an-address,Bob,payments,chief\n"
        "ANN@example.org,Ann again,,none\n"
        "too,few\n"
        'eve@example.org,"Eve\nof two lines",,none\n'
        f"mallory@example.org,{'m' * 121},,none\n"
    )
    answer = send(operator, "people", text)
    assert answer.status_code == 422
    found = [(line["line"], line["column"]) for line in answer.json()["lines"]]
    # The line after a quoted line break has the number that an editor shows.
    assert found == [(3, "email"), (3, "duty"), (4, ""), (5, ""), (8, "name")]
    assert answer.json()["code"] == "training:bad-csv"
    assert answer.json()["detail"] == "4 of 6 lines cannot be taken."
    assert "the same as line 2" in answer.json()["lines"][2]["message"]
    assert not Trainee.objects.exists()


def test_the_same_file_again_changes_nothing(operator):  # noqa: F811
    files = {
        "people": PEOPLE + "ann@example.org,Ann,payments,primary\n",
        "modules": records.MODULES,
        "scores": "email,module,taken_on,percent\nann@example.org,1,2026-11-18,90\n",
        "sessions": "reference,kind,module,held_on,recording_url,attendees\n"
        "m1,module,1,2026-11-18,https://video.example.org/m1,ann@example.org\n",
        "feedback": "reference,about,stars,comment,given_on\nr1,training,4.5,Good,2026-11-18\n",
    }
    assert set(files) == set(IMPORT_KINDS)
    for kind, text in files.items():
        first = send(operator, kind, text).json()
        assert (first["added"], first["changed"], first["unchanged"]) == (first["lines"], 0, 0), kind
    for kind, text in files.items():
        again = send(operator, kind, text).json()
        assert (again["added"], again["changed"], again["unchanged"]) == (0, 0, again["lines"]), kind
    changed = send(operator, "people", files["people"].replace("payments", "ledger")).json()
    assert (changed["added"], changed["changed"]) == (0, 1)
    assert Trainee.objects.get().team == "ledger"
    left = send(operator, "sessions", files["sessions"].replace("ann@example.org", "")).json()
    assert (left["added"], left["changed"]) == (0, 1)
    assert not TrainingSession.objects.get().attendees.exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "The first line must be"),
        ("email,name\na@example.org,A\n", "The first line must be"),
        (PEOPLE + 'a@example.org,"A,x,none\n', "not CSV"),
        (PEOPLE + "a@example.org,A\0,x,none\n", "NUL"),
        (PEOPLE + "a@example.org,A,x,none\n" * 5001, "more than 5,000 lines"),
        (PEOPLE + "x" * 1_000_001, "more than 1,000,000 bytes"),
    ],
    ids=["empty", "header", "quote", "nul", "lines", "bytes"],
)
def test_what_is_no_file_of_its_kind_is_refused(db, text, words):
    with pytest.raises(CsvRefused, match=words):
        import_csv("people", text, actor="x")


def test_a_file_from_a_spreadsheet_is_taken(db):
    text = "\ufeff" + PEOPLE.replace("\n", "\r\n") + "Ann@Example.org, Ann ,,none\r\n\r\n"
    assert import_csv("people", text, actor="x").added == 1
    assert Trainee.objects.get().email == "ann@example.org"
    assert Trainee.objects.get().name == "Ann"
    with pytest.raises(CsvRefused, match="UTF-8") as refused:
        csv_import.decode_csv(PEOPLE.encode() + "Jörg".encode("latin-1"))
    assert refused.value.bad_lines[0].line == 2


def test_what_a_line_names_has_to_be_there(db):
    import_csv("modules", records.MODULES, actor="x")
    text = "email,module,taken_on,percent\nann@example.org,9,18.11.2026,101\n"
    with pytest.raises(CsvRefused) as refused:
        import_csv("scores", text, actor="x")
    assert [line.column for line in refused.value.bad_lines] == ["email", "module", "taken_on", "percent"]
    text = "reference,kind,module,held_on,recording_url,attendees\n"
    text += "a,module,,2026-11-18,,\nb,exercise,1,2026-11-18,,\n"
    text += "c,module,1,2026-11-18,javascript:x,bob@example.org\n"
    with pytest.raises(CsvRefused) as refused:
        import_csv("sessions", text, actor="x")
    assert [(line.line, line.column) for line in refused.value.bad_lines] == [
        (2, "module"),
        (3, "module"),
        (4, "recording_url"),
        (4, "attendees"),
    ]


def test_a_secret_in_a_comment_is_not_kept(db):
    secret = "sk-ant-api03-" + "a1B2" * 24
    text = f"reference,about,stars,comment,given_on\nr1,orchestrator,2,My key {secret} fails,2026-11-18\n"
    import_csv("feedback", text, actor="x")
    assert secret not in Feedback.objects.get().comment


def test_a_certificate_takes_a_pass_in_every_required_module(db):
    import_csv("modules", records.MODULES + "6,For the curious,no\n", actor="x")
    records.add_people(("ann", "payments", "none"), ("bob", "payments", "none"))
    assert records.add_scores("ann", 80, 90, 100, 85) == 0
    assert records.add_scores("bob", 80, 90, 100, 85, 79) == 0
    assert records.add_scores("ann", 80, 90, 100, 85, 80) == 1
    # Another try on another day; the old results stay.
    assert records.add_scores("bob", 10, 10, 10, 10, 95, day="2026-11-20") == 1
    assert records.add_scores("bob", 10, 10, 10, 10, 95, day="2026-11-20") == 0
    import_csv("modules", "number,title,required\n7,New,yes\n", actor="x")
    assert Certificate.objects.count() == 2


def test_two_imports_at_once_write_each_row_once(transactional_db):
    import_csv("modules", records.MODULES, actor="x")
    people = [(f"p{number}", "team", "none") for number in range(50)]
    failures: list[BaseException] = []

    def run(names: list[tuple[str, str, str]]) -> None:
        try:
            records.add_people(*names)
            for name, _, _ in names[:5]:
                records.add_scores(name, 90, 90, 90, 90, 90)
        except BaseException as error:  # noqa: BLE001 - shown by the assertion
            failures.append(error)
        finally:
            connection.close()

    # In opposite orders, in which rows that are locked one by one would wait in a circle.
    workers = [threading.Thread(target=run, args=(names,)) for names in (people, people[::-1])]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert failures == []
    assert Trainee.objects.count() == 50
    assert Certificate.objects.count() == TrainingScore.objects.count() / 5 == 10
