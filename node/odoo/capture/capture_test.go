package capture

import (
	"fmt"
	"testing"

	"google.golang.org/protobuf/proto"

	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

func (h *office) items(name string) []*manufacturingv1.ItemChanged {
	return told[*manufacturingv1.ItemChanged](h, "hq/master-data", "item/"+h.name(name))
}

func TestChangeIsToldOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, h *office) {
		h.poll()
		id := h.product(map[string]any{"barcode": h.name("code")})
		h.poll()
		h.poll()
		h.write("product.product", id, map[string]any{"name": "Bolt M8"})
		h.poll()
		h.poll()
		h.write("product.product", id, map[string]any{"name": "Bolt M8"}) // no change
		h.poll()
		got := h.items("bolt")
		if len(got) != 2 || got[0].GetName() != "Bolt" || got[1].GetName() != "Bolt M8" {
			t.Fatalf("told %v, want Bolt and Bolt M8", got)
		}
		if got[0].GetUnit() != "C62" || got[0].GetKind() != manufacturingv1.ItemKind_ITEM_KIND_STOCKED || got[0].GetBarcode() != h.name("code") {
			t.Errorf("told %v, want a stocked item in C62 with its bar code", got[0])
		}
	})
}

func TestRecordsOfOneTimeAreAllTold(t *testing.T) {
	onBoth(t, func(t *testing.T, h *office) {
		const many = 2*pageRows + 50
		h.poll()
		var values []map[string]any
		for i := range many {
			values = append(values, map[string]any{"name": "Bolt", "default_code": h.name(fmt.Sprintf("tie%d", i))})
		}
		h.create("product.product", values...)
		h.poll()
		h.poll()
		for i := range many {
			if got := h.items(fmt.Sprintf("tie%d", i)); len(got) != 1 {
				t.Fatalf("item %d was told %d times, want once", i, len(got))
			}
		}
	})
}

func TestArchivedAndDeletedAreRetired(t *testing.T) {
	onBoth(t, func(t *testing.T, h *office) {
		id := h.product(nil)
		gone := h.product(map[string]any{"default_code": h.name("gone")})
		h.poll()
		h.write("product.product", id, map[string]any{"active": false})
		h.unlink("product.product", gone)
		h.poll()
		if got := h.items("bolt"); len(got) != 2 || !got[1].GetRetired() {
			t.Fatalf("told %v, want it retired", got)
		}
		h.ahead += h.config.Capture.Compare()
		h.poll()
		h.ahead += h.config.Capture.Compare()
		h.poll()
		got := h.items("gone")
		if len(got) != 2 || !got[1].GetRetired() {
			t.Fatalf("told %v, want it retired once", got)
		}
		h.write("product.product", id, map[string]any{"active": true})
		h.poll()
		if got := h.items("bolt"); len(got) != 3 || got[2].GetRetired() {
			t.Fatalf("told %v, want it in use again", got)
		}
	})
}

func TestChangeOfNameRetiresTheOldOne(t *testing.T) {
	onBoth(t, func(t *testing.T, h *office) {
		id := h.product(nil)
		h.poll()
		h.write("product.product", id, map[string]any{"default_code": h.name("screw")})
		h.poll()
		if got := h.items("bolt"); len(got) != 2 || !got[1].GetRetired() {
			t.Errorf("told of the old name %v, want it retired", got)
		}
		if got := h.items("screw"); len(got) != 1 || got[0].GetRetired() {
			t.Errorf("told of the new name %v, want it once", got)
		}
	})
}

func TestCrashAtAnyWriteLosesAndDoublesNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, h *office) {
		const many = pageRows + 20
		var values []map[string]any
		for i := range many {
			values = append(values, map[string]any{"name": "Bolt", "default_code": h.name(fmt.Sprintf("crash%d", i))})
		}
		ids := h.create("product.product", values...)
		for round, after := range []bool{false, true} {
			for left := range 3 {
				h.restart(&losing{Log: h.log, left: left, after: after}, h.mesh)
				_ = h.Poll(t.Context()) // crashes, or gets through
			}
			h.restart(h.log, h.mesh)
			h.poll()
			for i := range many {
				if got := h.items(fmt.Sprintf("crash%d", i)); len(got) != round+1 {
					t.Fatalf("after:%v: item %d was told %d times, want %d", after, i, len(got), round+1)
				}
			}
			if err := h.person.Write(t.Context(), "product.product", ids, map[string]any{"name": fmt.Sprintf("Bolt %d", round)}); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestChangeBackIsTold(t *testing.T) {
	onBoth(t, func(t *testing.T, h *office) {
		id := h.product(nil)
		h.poll()
		h.write("product.product", id, map[string]any{"name": "Nut"})
		h.poll()
		h.write("product.product", id, map[string]any{"name": "Bolt"})
		h.poll()
		got := h.items("bolt")
		if len(got) != 3 || !proto.Equal(got[0], got[2]) {
			t.Fatalf("told %v, want the first again at the end", got)
		}
	})
}
