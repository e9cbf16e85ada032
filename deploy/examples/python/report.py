#!/usr/bin/env python3
"""Publishes the report of a finished quantity, and follows the stream until it comes back.

    deploy/examples/python/generate.sh generated
    PYTHONPATH=generated python3 deploy/examples/python/report.py 127.0.0.1:7443 plant-a mes.crt mes.key ca.crt
"""

import sys
import time

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from plantmesh.event.v1.event_pb2 import Event
from plantmesh.event.v1.service_pb2 import PublishRequest, SubscribeRequest
from plantmesh.event.v1.service_pb2_grpc import EventServiceStub
from plantmesh.manufacturing.v1.production_pb2 import ProductionCompleted
from plantmesh.manufacturing.v1.quantity_pb2 import Quantity


def connect(address, site, cert, key, ca):
    """Connects to the node of a site, in the name of the certificate's identity."""
    pem = {}
    for name in (cert, key, ca):
        with open(name, "rb") as file:
            pem[name] = file.read()
    return grpc.secure_channel(
        address,
        grpc.ssl_channel_credentials(root_certificates=pem[ca], private_key=pem[key], certificate_chain=pem[cert]),
        # Python checks a host name: every site's certificate has the site's name for that, whatever the address.
        options=[("grpc.ssl_target_name_override", site), ("grpc.max_receive_message_length", 8 << 20)],
    )


def publish(events, completed, report_id, at):
    """Records one event. The id follows from the fact: sent again, it is recorded once."""
    event = Event(
        id=report_id,
        source="//plant-a/mes",
        type=completed.DESCRIPTOR.full_name,
        time=Timestamp(seconds=at),
        data=completed.SerializeToString(),
    )
    return events.Publish(PublishRequest(events=[event]), timeout=30).receipts[0]


def follow(events, stream, cursor=b""):
    """Yields a stream's events, each with the cursor of its frame, and goes on where it was when the line was lost."""
    while True:
        call = events.Subscribe(SubscribeRequest(stream=stream, cursor=cursor) if cursor else SubscribeRequest(stream=stream))
        try:
            for frame in call:
                for recorded in frame.events.events:
                    yield recorded, frame.cursor
                cursor = frame.cursor
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.UNAVAILABLE:
                raise
            time.sleep(1)
        finally:
            call.cancel()


def main(address, site, cert, key, ca):
    with connect(address, site, cert, key, ca) as channel:
        events = EventServiceStub(channel)
        completed = ProductionCompleted(order_id="WO-1001", item_id="bearing", quantity=Quantity(value="40", unit="C62"))
        receipt = publish(events, completed, "report-4712", 1778000000)
        print(f"recorded in {receipt.stream} at offset {receipt.offset}, duplicate: {receipt.duplicate}")
        for recorded, _ in follow(events, receipt.stream):
            if recorded.offset == receipt.offset:
                back = ProductionCompleted.FromString(recorded.event.data)
                print(f"{recorded.event.subject}: {back.quantity.value} {back.quantity.unit}")
                return


if __name__ == "__main__":
    if len(sys.argv) != 6:
        sys.exit(f"usage: {sys.argv[0]} ADDRESS SITE CERT KEY CA")
    main(*sys.argv[1:])
