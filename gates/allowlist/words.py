"""The words that are judged wherever they stand: they lead to the interpreter or out of the process."""

import re
import string

# Builtins that reach code, names or attributes that the text does not show.
REFUSED_BUILTINS = frozenset(
    """
    __build_class__ __import__ breakpoint compile delattr eval exec exit globals help input locals memoryview
    quit setattr vars
    """.split()  # noqa: SIM905 - a list of words reads better as words
)
# What a refusal says to write instead, where there is no nearer answer.
WITHOUT_IT = "compute without it, or take the value as an argument"
# Frames, code objects, tracebacks and what asyncio's loop opens.
INTROSPECTION = frozenset(
    """
    ag_await ag_code ag_frame applymarker co_cellvars co_code co_consts co_filename co_firstlineno co_flags
    co_freevars co_lines co_lnotab co_name co_names co_positions co_varnames connect_accepted_socket
    connect_read_pipe connect_write_pipe cr_await cr_code cr_frame cr_origin create_connection
    create_datagram_endpoint create_server create_subprocess_exec create_subprocess_shell
    create_unix_connection create_unix_server exec_module f_back f_builtins f_code f_globals f_lasti
    f_lineno f_locals f_trace findCaller func_closure func_code func_globals func_name get_stack getaddrinfo
    getnameinfo getrepr gi_code gi_frame gi_yieldfrom load_module mro print_stack set_trace setprofile
    settrace subprocess_exec subprocess_shell tb_frame tb_lasti tb_lineno tb_next
    """.split()  # noqa: SIM905 - a list of words reads better as words
)
# Private names of the library by which a value leads to a module.
MODULE_HOLDERS = frozenset({"_accessor", "_flavour", "_globals", "_io", "_module", "_os", "_sys"})
# What namedtuple documents although it begins with an underscore.
NAMEDTUPLE_NAMES = frozenset({"_asdict", "_field_defaults", "_fields", "_make", "_replace"})
# Every other name between double underscores is refused.
_ALLOWED_DUNDERS = frozenset(
    """
    __abs__ __add__ __aenter__ __aexit__ __aiter__ __all__ __and__ __anext__ __author__ __await__ __bool__
    __bytes__ __call__ __cause__ __ceil__ __class__ __class_getitem__ __complex__ __contains__ __context__
    __copy__ __deepcopy__ __del__ __delattr__ __delete__ __delitem__ __divmod__ __doc__ __enter__
    __eq__ __exit__ __float__ __floor__ __floordiv__ __format__ __fspath__ __future__ __ge__ __get__
    __getattr__ __getitem__ __gt__ __hash__ __iadd__ __iand__ __ifloordiv__ __imod__ __imul__ __index__
    __init__ __init_subclass__ __int__ __invert__ __ior__ __ipow__ __isub__ __iter__ __itruediv__ __ixor__
    __le__ __len__ __length_hint__ __lshift__ __lt__ __main__ __match_args__ __matmul__ __members__
    __missing__ __mod__ __mul__ __name__ __ne__ __neg__ __new__ __next__ __notes__ __or__ __pos__
    __post_init__ __pow__ __qualname__ __radd__ __rand__ __rdivmod__ __repr__ __reversed__ __rfloordiv__
    __rlshift__ __rmatmul__ __rmod__ __rmul__ __ror__ __round__ __rpow__ __rrshift__ __rshift__ __rsub__
    __rtruediv__ __rxor__ __set__ __set_name__ __setattr__ __setitem__ __sizeof__ __slots__ __str__ __sub__
    __suppress_context__ __truediv__ __trunc__ __version__ __wrapped__ __xor__
    """.split()  # noqa: SIM905 - a list of words reads better as words
)
# Fixtures that hand a test pytest's own objects. `request` is judged by what is taken from it.
REFUSED_FIXTURES = frozenset(
    """
    cache doctest_namespace pytestconfig pytester record_property record_testsuite_property
    record_xml_attribute testdir
    """.split()  # noqa: SIM905 - a list of words reads better as words
)
# The whole text is one path: prose and addresses that mention one have blanks or a host in front.
_OUTSIDE_PATH = re.compile(
    r"""
    (?: ~[a-z_][\w-]* | ~ ) / \S*
    | (?:file:/*)? / (?:bin|boot|dev|etc|home|lib\d*|mnt|opt|proc|root|run|sbin|srv|sys|usr|var) (?:/\S*)?
    | (?:\$HOME|\$\{HOME\}|%USERPROFILE%|%APPDATA%) \S*
    | [A-Za-z]:\\ .*
    """,
    re.VERBOSE,
)
_SEPARATORS_TO_BLANKS = str.maketrans("{}.[", "    ")


def is_hidden(name: str) -> bool:
    """Whether ``name`` has double underscores on both sides and is not one that code may write."""
    return name.startswith("__") and name.endswith("__") and name not in _ALLOWED_DUNDERS


def is_private(name: str) -> bool:
    """Whether ``name`` begins with an underscore and is not a name of Python itself."""
    return name.startswith("_") and not (name.startswith("__") and name.endswith("__"))


def names_hidden_attribute(text: str) -> bool:
    """Whether text holds a refused dunder.

    Tricks with ``getattr`` need such a text, and so do format strings that walk attributes.
    """
    words = text.translate(_SEPARATORS_TO_BLANKS).split()
    return any(is_hidden(word) for word in words if len(word) > 4)


def names_outside_path(text: str) -> bool:
    """Whether text is a path to a home folder, to a folder of the system, or up and out of its own."""
    return _OUTSIDE_PATH.fullmatch(text) is not None


def find_format_attributes(text: str) -> list[str]:
    """The attributes that ``text.format`` would read; one empty name where it is not a format string."""
    found = []
    try:
        for _, field, spec, _ in string.Formatter().parse(text):
            found += re.findall(r"\.(\w+)", field or "")
            # A format specification may hold fields again.
            found += find_format_attributes(spec) if spec else []
    except ValueError:
        return [""]
    return found
