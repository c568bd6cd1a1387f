"""A grid in one process: the strategies' messages go straight to the ClientApp, one client after another.

It stands in for Flower's network and its simulation wherever all clients live on one machine. Nothing is copied,
nothing waits, and what the strategies and the ClientApp see is the same.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterable

from flwr.app import Context, Error, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.common.constant import SUPERLINK_NODE_ID, ErrorCode
from flwr.serverapp import Grid
from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity


class InlineGrid(Grid):
    """Reaches clients 1 to *clients*, each with its own Context and its share of the pictures."""

    def __init__(self, app: ClientApp, clients: int) -> None:
        self._app = app
        self._contexts = {
            number + 1: Context(
                run_id=1,
                node_id=number + 1,
                node_config={"partition-id": number, "num-partitions": clients},
                state=RecordDict(),
                run_config={},
            )
            for number in range(clients)
        }
        self._replies: dict[str, Message] = {}
        self._ids = map(str, itertools.count(1))
        self.set_run(Run.create_empty(run_id=1))

    def set_run(self, run: Run) -> None:
        """Let new messages belong to *run*."""
        self._run = run
        TaskIdentity.run_id, TaskIdentity.task_id, TaskIdentity.node_id = run.run_id, 1, SUPERLINK_NODE_ID

    @property
    def run(self) -> Run:
        """The run that messages belong to."""
        return self._run

    def create_message(
        self, content: RecordDict, message_type: str, dst_node_id: int, group_id: str, ttl: float | None = None
    ) -> Message:
        """A message to a client."""
        return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def get_node_ids(self) -> Iterable[int]:
        """All clients."""
        return list(self._contexts)

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Have each message answered, and return the ids under which the answers wait."""
        ids = []
        for message in messages:
            message.metadata.__dict__["_message_id"] = next(self._ids)  # as Flower's own runtimes do
            self._replies[message.metadata.message_id] = self._answer(message)
            ids.append(message.metadata.message_id)
        return ids

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """The answers to these messages."""
        return [self._replies.pop(number) for number in message_ids]

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        """Have each message answered; *timeout* has no meaning where nothing waits."""
        return self.pull_messages(self.push_messages(messages))

    def _answer(self, message: Message) -> Message:
        """The client's reply, or an error reply when it fails: one client's failure is not the run's."""
        # Flower's strategies give all clients the same content, which a client may change.
        message.content = copy.deepcopy(message.content)
        try:
            reply = self._app(message, self._contexts[message.metadata.dst_node_id])
        except Exception as error:  # noqa: BLE001 - whatever a client raises
            failure = Error(ErrorCode.CLIENT_APP_RAISED_EXCEPTION, f"{type(error).__name__}: {error}")
            reply = Message(failure, reply_to=message)
        reply.metadata.__dict__["_message_id"] = next(self._ids)
        return reply
