package plantmesh_test

import (
	"context"
	"fmt"
	"time"

	"github.com/plantmesh/plantmesh"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

func Example() {
	address, files, stop := exampleNode()
	defer stop()
	if err := reportAndFollow(context.Background(), address, files); err != nil {
		fmt.Println(err)
	}
	// Output:
	// recorded in plant-a/production at offset 1
	// order/WO-1001: 40 C62
}

// The README shows this function; a test compares the two.

func reportAndFollow(ctx context.Context, address string, files plantmesh.TLSFiles) error {
	client, err := plantmesh.Dial(address, files) // files names the certificate, its key and the mesh's CA
	if err != nil {
		return err
	}
	defer client.Close()

	// Id and time follow from the fact, not from the attempt: however often it is published, it is recorded once.
	at := time.Date(2026, 5, 5, 14, 30, 0, 0, time.UTC)
	report, err := plantmesh.NewEvent("//plant-a/mes", "report-4711", at, &manufacturingv1.ProductionCompleted{
		OrderId: "WO-1001", ItemId: "bearing", Quantity: &manufacturingv1.Quantity{Value: "40", Unit: "C62"},
	})
	if err != nil {
		return err // names the field, the rule and the value
	}
	receipts, err := client.Publish(ctx, report) // returns when it is on the node's disk
	if err != nil {
		return err
	}
	fmt.Printf("recorded in %s at offset %d\n", receipts[0].Stream, receipts[0].Offset)

	// Lost connections are made again: nothing is delivered twice, nothing is skipped.
	for delivery, err := range client.Subscribe(ctx, plantmesh.From{Stream: "plant-a/production"}) {
		if err != nil {
			return err
		}
		payload, err := plantmesh.Payload(delivery.Event.GetEvent())
		if err != nil {
			return err
		}
		if p, ok := payload.(*manufacturingv1.ProductionCompleted); ok {
			fmt.Printf("%s: %s %s\n", delivery.Event.GetEvent().GetSubject(), p.GetQuantity().GetValue(), p.GetQuantity().GetUnit())
			break // keep delivery.Cursor() with what came of the event, and go on with From{Cursor: …}
		}
	}
	return nil
}

// Many reports go out without waiting for each answer, and in order.
func ExampleClient_Publisher() {
	address, files, stop := exampleNode()
	defer stop()
	ctx := context.Background()
	client, err := plantmesh.Dial(address, files)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	publisher := client.Publisher(ctx)
	var last *plantmesh.Pending
	for n := range 1000 {
		report, err := plantmesh.NewEvent("//plant-a/mes", fmt.Sprintf("report-%d", n), time.Unix(1_778_000_000, 0),
			&manufacturingv1.ProductionCompleted{
				OrderId: "WO-1001", ItemId: "bearing", Quantity: &manufacturingv1.Quantity{Value: "1", Unit: "C62"},
			})
		if err != nil {
			fmt.Println(err)
			return
		}
		if last, err = publisher.Send(ctx, report); err != nil { // waits only while the window is full
			fmt.Println(err)
			return
		}
	}
	if err := publisher.Close(); err != nil { // all are answered now
		fmt.Println(err)
		return
	}
	receipts, _ := last.Wait(ctx)
	fmt.Println("the last is at offset", receipts[0].Offset)
	// Output:
	// the last is at offset 1000
}

// A program that goes on where it was keeps the cursor with what it did.
func ExampleClient_Subscribe() {
	address, files, stop := exampleNode()
	defer stop()
	ctx := context.Background()
	client, err := plantmesh.Dial(address, files)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	for _, order := range []string{"WO-1", "WO-2", "WO-3", "WO-4"} {
		released, err := plantmesh.NewEvent("//plant-a/mes", "done-"+order, time.Unix(1_778_000_000, 0),
			&manufacturingv1.ProductionCompleted{
				OrderId: order, ItemId: "bearing", Quantity: &manufacturingv1.Quantity{Value: "1", Unit: "C62"},
			})
		if err != nil {
			fmt.Println(err)
			return
		}
		if _, err := client.Publish(ctx, released); err != nil {
			fmt.Println(err)
			return
		}
	}

	from := plantmesh.From{Stream: "plant-a/production", Position: eventv1.Position_POSITION_EARLIEST, UntilHead: true}
	for delivery, err := range client.Subscribe(ctx, from) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("first run:", delivery.Event.GetEvent().GetSubject())
		if delivery.Event.GetOffset() == 2 {
			from = plantmesh.From{Stream: from.Stream, Cursor: delivery.Cursor(), UntilHead: true}
			break
		}
	}
	for delivery, err := range client.Subscribe(ctx, from) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("second run:", delivery.Event.GetEvent().GetSubject())
	}
	// Output:
	// first run: order/WO-1
	// first run: order/WO-2
	// second run: order/WO-3
	// second run: order/WO-4
}
