"""Every message between processes of a cluster, and who sends it to whom.

All links carry frames with a list of these. A message inside `Ask` gets its
reply inside an `Answer` with the same number; the reply stands behind it as
"=> reply". Blobs stay pickled until user code needs them: a node never
unpickles what a user wrote.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from minimr.core.message_types import *  # noqa: F403  # one catalogue
from minimr.core.message_types import Job
from minimr.core.messages_actor import *  # noqa: F403
from minimr.core.messages_node import *  # noqa: F403
from minimr.core.messages_task import *  # noqa: F403
from minimr.net.channel import Address

# ---- any link -------------------------------------------------------------


class Ask(NamedTuple):
    """A message that wants an answer."""

    number: int
    body: Any


class Answer(NamedTuple):
    """The answer to the `Ask` with that number."""

    number: int
    body: Any


class Hello(NamedTuple):
    """The first message on every link: who is calling. `Home` follows."""

    kind: str  # driver, worker, node, tool
    process: bytes  # prefix of the ids that it makes
    address: Address
    pid: int
    job: Job | None
    home: Address  # of its node


class Home(NamedTuple):
    """Who was called -> who called: the node that it belongs to."""

    address: Address
