"""How large things may be. The command line refuses early what the service would refuse later, by the
same figures.
"""

KIB = 1024
MIB = 1024 * KIB

MAX_REQUEST_BYTES = 64 * KIB
"""A feature request, in bytes of UTF-8."""

# Base64 and JSON add a third to it, which still fits into what the service reads of one request.
MAX_CONTEXT_BYTES = 6 * MIB
"""All files of a repo that are sent along with a request, before base64."""

MAX_CONTEXT_FILES = 5000
"""How many files may be sent along with a request."""

MAX_FILE_BYTES = 512 * KIB
"""One file, where files are selected from a folder or a clone. A caller of the API may send a larger one."""

MAX_PATH_LENGTH = 500
"""A path in a snapshot or a block, in characters."""

MAX_BLOCK_BYTES = 64 * MIB
"""A block, packed or in a folder. Archives are not compressed, so an archive cannot unpack to more than
it measures.
"""

MAX_STATEMENT_BYTES = 4 * MIB
"""One JSON document of a block: the manifest or an envelope."""
