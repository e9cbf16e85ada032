//go:build ignore

// Program makeformat writes the folders of storage/testdata/format-1.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plantmesh/plantmesh"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	"github.com/plantmesh/plantmesh/storage"
)

var now = time.Date(2026, 3, 1, 6, 0, 0, 0, time.UTC)

func options(site plantmesh.SiteID) storage.Options {
	return storage.Options{Mesh: "acme", Site: site, MaxBlockBytes: 1500, Now: func() time.Time { now = now.Add(time.Second); return now }}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func must[T any](v T, err error) T {
	check(err)
	return v
}

func event(s plantmesh.StreamName, i int) storage.Entry {
	return storage.Entry{Stream: s, Event: &eventv1.Event{
		Id: fmt.Sprint(i), Source: "//plant-a/mes", Type: "plantmesh.manufacturing.v1.OperationReported", Subject: "order/WO-1",
		Time: timestamppb.New(time.Unix(int64(i), 0)), Data: []byte(fmt.Sprintf("data of event %d", i)),
	}}
}

func main() {
	ctx, dir := context.Background(), os.Args[1]
	other := must(os.MkdirTemp("", "hq"))
	defer os.RemoveAll(other)
	hq := must(storage.Open(other, options("hq")))
	for i := range 10 {
		must(hq.Append(ctx, storage.Write{Entries: []storage.Entry{event("hq/orders", i)}}))
	}
	for run := range 2 { // the second run has tables, too
		l := must(storage.Open(filepath.Join(dir, "log"), options("plant-a")))
		for i := range 20 {
			w := storage.Write{Cursors: []storage.Cursor{{Name: "adapter/csv", Value: []byte(fmt.Sprint(run*100 + i))}}}
			for k := range 3 {
				w.Entries = append(w.Entries, event("plant-a/production", run*100+i*3+k))
			}
			w.Entries = append(w.Entries, event("plant-a/quality", run*100+i))
			must(l.Append(ctx, w))
		}
		blocks := must(hq.RawBlocks(ctx, "hq/orders", plantmesh.Offset(run*4), 1<<20))
		must(l.AppendBlocks(ctx, "hq/orders", blocks[:4]))
		heads := ""
		for _, h := range l.Heads() {
			heads += fmt.Sprintf("%s %d %d %s\n", h.Stream, h.Incarnation, h.Offset, h.Chain)
		}
		check(os.WriteFile(filepath.Join(dir, "heads.txt"), []byte(heads), 0o644))
		check(l.Close())
		s := must(storage.OpenState(filepath.Join(dir, "state"), options("plant-a")))
		check(s.Owner("consumer").Update(func(tx *storage.Tx) error { return tx.Put([]byte("run"), []byte(fmt.Sprint(run))) }))
		check(s.Close())
	}
	for i, b := range must(hq.RawBlocks(ctx, "hq/orders", 8, 1<<20)) { // with which the replica goes on
		check(os.WriteFile(filepath.Join(dir, fmt.Sprintf("orders-%d.block", 9+i)), b, 0o644))
	}
	check(hq.Close())
}
