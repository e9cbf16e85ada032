#!/usr/bin/env python3
"""Works through the events of a site with a durable consumer: the node remembers what was done.

    deploy/examples/python/generate.sh generated
    PYTHONPATH=generated python3 deploy/examples/python/consume.py 127.0.0.1:7443 plant-a mes.crt mes.key ca.crt

It prints what was completed until it is interrupted; with a number behind the certificate files, until it has seen that many events.
"""

import queue
import sys
import time

import grpc
from google.protobuf.empty_pb2 import Empty
from plantmesh.event.v1.service_pb2 import Answer, Answers, ConsumeRequest, ConsumerSettings, OpenConsumer, Refusal
from plantmesh.event.v1.service_pb2_grpc import EventServiceStub
from plantmesh.manufacturing.v1.production_pb2 import ProductionCompleted

from report import connect


class Park(Exception):
    """Raised by a handler for an event that somebody has to mend something for."""


def consume(events, name, streams, handle, most=0):
    """Hands each event to handle. Returning deals with it, an exception has it delivered again, Park sets its subject aside."""
    opening = ConsumeRequest(open=OpenConsumer(name=name, settings=ConsumerSettings(streams=streams)))
    while True:
        answers = queue.SimpleQueue()  # None ends the call: what is not answered goes to the next one
        answers.put(opening)
        try:
            for response in events.Consume(iter(answers.get, None)):
                for delivery in response.deliveries.deliveries:
                    answers.put(ConsumeRequest(answers=Answers(answers=[answer(delivery, handle)])))
                    most -= 1
                    if most == 0:
                        answers.put(None)
            if most <= 0:
                return
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.UNAVAILABLE:
                raise
            time.sleep(1)
        finally:
            answers.put(None)


def answer(delivery, handle):
    """Deals with one delivery."""
    try:
        if delivery.HasField("event"):
            handle(delivery)
        else:  # events that are not there any more, or a stream that its origin began anew
            print(f"{delivery.stream} goes on elsewhere: {delivery.WhichOneof('content')}", file=sys.stderr)
    except Park as error:
        return Answer(delivery_id=delivery.id, refused=Refusal(reason=str(error), park=True))
    except Exception as error:  # whatever it is, the event comes again
        return Answer(delivery_id=delivery.id, refused=Refusal(reason=f"{type(error).__name__}: {error}"))
    return Answer(delivery_id=delivery.id, acknowledged=Empty())


def print_completion(delivery):
    """What this program does with an event."""
    event = delivery.event.event
    if event.type == ProductionCompleted.DESCRIPTOR.full_name:
        completed = ProductionCompleted.FromString(event.data)
        print(f"{event.subject}: {completed.quantity.value} {completed.quantity.unit}, attempt {delivery.attempt}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) not in (6, 7):
        sys.exit(f"usage: {sys.argv[0]} ADDRESS SITE CERT KEY CA [EVENTS]")
    with connect(*sys.argv[1:6]) as channel:
        try:
            consume(EventServiceStub(channel), "completions", ["*/production"], print_completion, int(sys.argv[6]) if len(sys.argv) == 7 else 0)
        except KeyboardInterrupt:
            pass
