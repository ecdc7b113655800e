"""The topics and subscriptions of the local stack, on Pub/Sub's emulator."""

from __future__ import annotations

import grpc  # type: ignore[import-untyped]
from google.api_core.exceptions import AlreadyExists
from google.pubsub_v1 import PublisherClient, SubscriberClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from commands.stack_config import PROJECT, TOPICS

# Longer than a run takes to start the gradings of its messages; the longest that Pub/Sub allows.
ACK_DEADLINE_SECONDS = 600


def clients(port: int) -> tuple[PublisherClient, SubscriberClient]:
    """Clients of the emulator at this port."""
    channel = grpc.insecure_channel(f"127.0.0.1:{port}")
    return (
        PublisherClient(transport=PublisherGrpcTransport(channel=channel)),
        SubscriberClient(transport=SubscriberGrpcTransport(channel=channel)),
    )


def create_topics(port: int) -> None:
    """Create what is missing: each topic, and a subscription of the same name."""
    publisher, subscriber = clients(port)
    for name in TOPICS.values():
        topic, subscription = f"projects/{PROJECT}/topics/{name}", f"projects/{PROJECT}/subscriptions/{name}"
        try:
            publisher.create_topic(name=topic)
            subscriber.create_subscription(request={"name": subscription, "topic": topic, "ack_deadline_seconds": ACK_DEADLINE_SECONDS})
        except AlreadyExists:
            continue
