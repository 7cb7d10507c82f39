"""Training records, written through the door that operators use: files."""

from orchestrator.ops.training.csv_import import import_csv

MODULES = "number,title,required\n" + "".join(f"{n},Module {n},yes\n" for n in range(1, 6))
FIRST_DAY = "2026-11-18"


def add_people(*people: tuple[str, str, str]) -> None:
    """People as (first part of the address, team, duty)."""
    lines = [f"{name}@example.org,{name.title()},{team},{duty}\n" for name, team, duty in people]
    import_csv("people", "email,name,team,duty\n" + "".join(lines), actor="test")


def add_scores(name: str, *percents: int, day: str = FIRST_DAY) -> int:
    """The results of one person in modules 1, 2, ...; how many certificates they brought."""
    lines = [f"{name}@example.org,{n},{day},{percent}\n" for n, percent in enumerate(percents, 1)]
    return import_csv("scores", "email,module,taken_on,percent\n" + "".join(lines), actor="test").certificates


def add_feedback(about: str, *stars: str, day: str = FIRST_DAY) -> None:
    """Answers about the training or the orchestrator."""
    lines = [f"{about}-{day}-{n},{about},{one},,{day}\n" for n, one in enumerate(stars)]
    import_csv("feedback", "reference,about,stars,comment,given_on\n" + "".join(lines), actor="test")


def add_session(reference: str, kind: str, *names: str, module: str = "", recording: str = "") -> None:
    """A meeting with these people."""
    emails = " ".join(f"{name}@example.org" for name in names)
    line = f"{reference},{kind},{module},{FIRST_DAY},{recording},{emails}\n"
    import_csv("sessions", f"reference,kind,module,held_on,recording_url,attendees\n{line}", actor="test")
