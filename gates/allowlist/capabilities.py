"""What a block may do beyond computing: capabilities, and the calls that need one.

A name of the library that always needs one says so in ``names.txt``. Here is what depends on the class of a
value or on the arguments of a call.
"""

import ast
from collections.abc import Collection, Iterator, Mapping

from gates.allowlist.bindings import Bindings

CAPABILITIES: Mapping[str, str] = {
    "files:read": "read files in the folder that it is given",
    "files:write": "write files in the folder that it is given",
    "environment": "read environment variables, the command line or the locale",
    "network": "open connections by HTTP",
    "subprocess": "start programs",
    "clock": "read the clock or wait",
    "randomness": "draw numbers that nobody can repeat",
}
# Tests keep to tmp_path and are not shipped to callers: they need no leave for these.
GRANTED_TO_TESTS = frozenset({"files:read", "files:write", "clock", "randomness"})

_READS = (
    "exists glob group is_dir is_file is_symlink iterdir lstat owner read_bytes read_text readlink rglob stat"
)
_WRITES = "chmod mkdir rename replace rmdir touch unlink write_bytes write_text"
_FOLLOWED_READS = "exists glob is_dir is_file is_symlink lstat open readlink samefile stat"
_FOLLOWED_WRITES = "chmod hardlink_to mkdir rename replace rmdir symlink_to touch unlink"
_MEMBERS: dict[str, str] = {
    "datetime.date.today": "clock",
    "datetime.datetime.now": "clock",
    "datetime.datetime.today": "clock",
    "datetime.datetime.utcnow": "clock",
    "uuid.UUID.uuid4": "randomness",
}
for _class in ("Path", "PosixPath", "WindowsPath"):
    _MEMBERS |= {f"pathlib.{_class}.{name}": "files:read" for name in (*_READS.split(), "cwd", "resolve")}
    _MEMBERS |= {f"pathlib.{_class}.{name}": "files:write" for name in _WRITES.split()}
for _class in ("ConfigParser", "RawConfigParser", "SafeConfigParser"):
    _MEMBERS[f"configparser.{_class}.read"] = "files:read"
_MEMBERS |= {
    "asyncio.AbstractEventLoop.time": "clock",
    "mimetypes.MimeTypes.read": "files:read",
    "xml.etree.ElementTree.ElementTree.parse": "files:read",
    "xml.etree.ElementTree.ElementTree.write": "files:write",
}
# Methods that count on a value of which nothing is known where the file takes what gives such values: there
# a field, a list or a function may hold one.
_FOLLOWED_METHODS: dict[str, dict[str, str]] = {
    "pathlib.Path": {
        **dict.fromkeys(_FOLLOWED_READS.split(), "files:read"),
        **dict.fromkeys(_FOLLOWED_WRITES.split(), "files:write"),
    },
    "xml.etree.ElementTree.ElementTree": {"write": "files:write"},
    "xml.etree.ElementTree.parse": {"write": "files:write"},
    "configparser.ConfigParser": {"read": "files:read"},
    "configparser.RawConfigParser": {"read": "files:read"},
    "mimetypes.MimeTypes": {"read": "files:read"},
    "statistics.NormalDist": {"samples": "randomness"},
}
_FOLLOWED_METHODS["pathlib.PosixPath"] = _FOLLOWED_METHODS["pathlib.WindowsPath"] = _FOLLOWED_METHODS[
    "pathlib.Path"
]
# Nothing else has methods of these names, so they count on a value of which nothing is known.
_FILE_METHODS = {
    "iterdir": "files:read",
    "read_bytes": "files:read",
    "read_text": "files:read",
    "rglob": "files:read",
    "write_bytes": "files:write",
    "write_text": "files:write",
}
# Opens a file by its first argument; the mode is the argument at this place.
_OPENERS = {
    "open": 1,
    "io.open": 1,
    "io.FileIO": 1,
    "codecs.open": 1,
    "gzip.open": 1,
    "gzip.GzipFile": 1,
    "bz2.open": 1,
    "bz2.BZ2File": 1,
    "lzma.open": 1,
    "lzma.LZMAFile": 1,
    "pathlib.Path.open": 0,
    "pathlib.PosixPath.open": 0,
    "pathlib.WindowsPath.open": 0,
}
# Read a file by their first argument, or by the keyword.
_READERS = {
    "xml.etree.ElementTree.parse": "source",
    "xml.etree.ElementTree.iterparse": "source",
    "xml.etree.ElementTree.ElementTree": "file",
}
# Take the time now unless the argument at this place is a moment.
_MOMENTS = {"time.asctime": 0, "time.ctime": 0, "time.gmtime": 0, "time.strftime": 1}
# Leave the folder of a block, so that no capability allows them.
OUTSIDE = frozenset(
    {
        *(
            f"pathlib.{name}.{method}"
            for name in ("Path", "PosixPath", "WindowsPath")
            for method in ("home", "expanduser", "symlink_to", "hardlink_to")
        ),
    }
)
_WRITING_MODES = frozenset("wax+")
# Without words these read the command line.
PARSERS = frozenset(
    {"parse_args", "parse_intermixed_args", "parse_known_args", "parse_known_intermixed_args"}
)
# Judged by their arguments; as a value, whose arguments are not known, each needs what is listed.
_JUDGED_BY_ARGUMENTS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(_READERS, ("files:read",)),
    **{f"argparse.ArgumentParser.{name}": ("environment",) for name in PARSERS},
    # Its methods are followed by their names.
    "argparse.ArgumentParser": (),
    "email.utils.formatdate": ("clock",),
    "logging.basicConfig": ("files:write",),
    "mimetypes.MimeTypes": ("files:read",),
    "random.Random": ("randomness",),
    "sched.scheduler": ("clock",),
    "sqlite3.connect": ("files:read", "files:write"),
    "statistics.NormalDist.samples": ("randomness",),
    **dict.fromkeys(_MOMENTS, ("clock",)),
    "uuid.uuid1": ("environment", "clock"),
    "xml.etree.ElementTree.canonicalize": ("files:read",),
}


def member_capability(path: str) -> str:
    """What a method of a library's class needs; empty for none."""
    return _MEMBERS.get(path, "")


def method_capability(name: str) -> str:
    """What a method of an unknown value needs by its name alone; empty for none."""
    return _FILE_METHODS.get(name, "")


def followed_capability(name: str, taken: Collection[str], call: ast.Call | None) -> str:
    """What a method of an unknown value needs; empty for none.

    ``taken`` is what its file takes from the library, ``call`` its call, where it is called at once.
    """
    # A text has a method of this name too, with two arguments; a table has both with keywords.
    if call is not None and name in ("rename", "replace") and len(call.args) != 1:
        return ""
    # Draws that have a seed can be repeated.
    if call is not None and name == "samples" and any(keyword.arg == "seed" for keyword in call.keywords):
        return ""
    for holder, methods in _FOLLOWED_METHODS.items():
        if name in methods and any(each == holder or each.startswith(f"{holder}.") for each in taken):
            return methods[name]
    return ""


def is_opener(path: str) -> bool:
    """Whether ``path`` names a function whose arguments say what it needs."""
    return path in _OPENERS or path in _JUDGED_BY_ARGUMENTS


def value_capabilities(path: str) -> tuple[str, ...]:
    """What a function that is judged by its arguments needs where it is used as a value."""
    return _JUDGED_BY_ARGUMENTS.get(path, ("files:read", "files:write"))


def call_capabilities(path: str, call: ast.Call, bindings: Bindings) -> set[str]:
    """What a call needs, by its arguments."""
    given = {keyword.arg or "": keyword.value for keyword in call.keywords}
    if path in _OPENERS:
        return _open_capabilities(_OPENERS[path], call, bindings)
    if path in _READERS:
        return _read_capabilities(path, call, bindings)
    if path in _MOMENTS:
        return set() if _gives(call, _MOMENTS[path]) else {"clock"}
    if path == "random.Random":
        # A source that was given a seed can be repeated.
        return set() if call.args or call.keywords else {"randomness"}
    if path == "sqlite3.connect":
        names = bindings.find_literals(call.args[0]) if call.args else None
        return set() if names == [":memory:"] else {"files:read", "files:write"}
    if path.rpartition(".")[2] in PARSERS:
        words = call.args or call.keywords
        return set() if words else {"environment"}
    return set(_list_by_keyword(path, call, given))


def _gives(call: ast.Call, place: int) -> bool:
    """Whether a call gives the argument at ``place`` a value; ``None`` stands for the time now."""
    if len(call.args) <= place or any(isinstance(each, ast.Starred) for each in call.args):
        return False
    argument = call.args[place]
    return not (isinstance(argument, ast.Constant) and argument.value is None)


def _list_by_keyword(path: str, call: ast.Call, given: Mapping[str, ast.expr]) -> Iterator[str]:
    """What needs a capability because of one argument."""
    match path:
        case "logging.basicConfig" if not given.keys().isdisjoint({"filename", ""}):
            yield "files:write"
        case "xml.etree.ElementTree.canonicalize" if not given.keys().isdisjoint({"from_file", ""}):
            yield "files:read"
        case "mimetypes.MimeTypes" if call.args or given:
            yield "files:read"
        case "argparse.ArgumentParser":
            if not given.keys().isdisjoint({"fromfile_prefix_chars", ""}):
                yield "files:read"
        case "email.utils.formatdate" if not call.args and "timeval" not in given:
            yield "clock"
        case "sched.scheduler" if not call.args and "timefunc" not in given:
            yield "clock"
        case "statistics.NormalDist.samples" if "seed" not in given:
            yield "randomness"
        case "uuid.uuid1":
            yield from ("environment", "clock")


def _read_capabilities(path: str, call: ast.Call, bindings: Bindings) -> set[str]:
    given = [keyword.value for keyword in call.keywords if keyword.arg == _READERS[path]]
    # An element comes before the file here.
    given += [] if path.endswith(".ElementTree") else call.args[:1]
    sources = [bindings.resolve(each) for each in given]
    in_memory = all(source and source.path in ("io.BytesIO", "io.StringIO") for source in sources)
    return set() if in_memory else {"files:read"}


def _open_capabilities(place: int, call: ast.Call, bindings: Bindings) -> set[str]:
    if any(keyword.arg == "fileobj" for keyword in call.keywords):
        return set()
    source = bindings.resolve(call.args[0]) if call.args else None
    if place == 1 and source and source.path in ("io.BytesIO", "io.StringIO"):
        return set()
    given = [keyword.value for keyword in call.keywords if keyword.arg == "mode"]
    given += call.args[place : place + 1]
    modes = bindings.find_literals(given[0]) if given else ["r"]
    if modes is None:
        return {"files:read", "files:write"}
    needed = set()
    for mode in modes:
        needed.add("files:write" if _WRITING_MODES.intersection(mode) else "files:read")
        if "+" in mode:
            needed.add("files:read")
    return needed
