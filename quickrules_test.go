package plantmesh

import (
	"regexp"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// What the quick rules find sound, protovalidate finds sound. Whatever else they leave to it.
func agree(t *testing.T, m proto.Message) {
	t.Helper()
	if quicklySound(m.ProtoReflect()) {
		if err := validator().Validate(m); err != nil {
			t.Errorf("the quick rules let this through, %v: %v", m, err)
		}
	}
}

func soundEvents() []proto.Message {
	at := timestamppb.New(time.Unix(1_778_000_000, 0))
	return []proto.Message{
		&eventv1.Event{Id: "report-4711", Source: "//plant-a/mes", Type: "plantmesh.manufacturing.v1.ProductionCompleted", Subject: "order/WO-1", Time: at, Data: []byte("x")},
		&eventv1.Event{
			Id: "é", Source: "/mes", Type: "a.B_1", Time: at, Datacontenttype: "application/protobuf",
			Traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		},
		&manufacturingv1.ProductionCompleted{OrderId: "WO-1", ItemId: "bearing", Quantity: &manufacturingv1.Quantity{Value: "40.5", Unit: "C62"}},
		&manufacturingv1.ProductionOrderClosed{OrderId: "WO-1", Reason: manufacturingv1.CloseReason_CLOSE_REASON_COMPLETED, Comment: "fine"},
		&manufacturingv1.QualityHoldPlaced{HoldId: "H-1", ItemId: "bearing", ReasonCode: "scratch"},
	}
}

func TestQuickRulesKnowOrdinaryEvents(t *testing.T) {
	for _, m := range soundEvents() {
		if err := validator().Validate(m); err != nil {
			t.Fatal(err)
		}
		if !quicklySound(m.ProtoReflect()) {
			t.Errorf("left to protovalidate: %v", m)
		}
	}
}

func TestQuickRulesKnowEveryCanonicalType(t *testing.T) {
	const canonical = "plantmesh.manufacturing.v1."
	left := []string{ // rules of their own, and not many events
		canonical + "AccessRefused", canonical + "GoodsReceived", canonical + "StockReserved", canonical + "TransferDispatched",
		canonical + "TransferReceived", canonical + "UnitChanged",
	}
	for _, one := range EventTypes() {
		if unsuited := quickRulesOf(one.New().ProtoReflect().Descriptor()).unsuited; unsuited != slices.Contains(left, one.Name) {
			t.Errorf("%s has rules that only protovalidate knows: %v", one.Name, unsuited)
		}
	}
	if quickRulesOf((&eventv1.Event{}).ProtoReflect().Descriptor()).unsuited {
		t.Error("the envelope has rules that only protovalidate knows")
	}
}

func TestQuickRulesLetNothingThroughThatIsWrong(t *testing.T) {
	for _, good := range soundEvents() {
		m := good.ProtoReflect()
		for i := range m.Descriptor().Fields().Len() {
			f := m.Descriptor().Fields().Get(i)
			without := proto.Clone(good).ProtoReflect()
			without.Clear(f)
			agree(t, without.Interface())
			if f.Kind().String() == "string" && !f.IsList() {
				for _, text := range []string{"", " ", "a b", "\x00", "\x7f", "0", "00", "-1", "1.", ".5", "C6", "c62", "C622", "a..b", "9a", "//", "///", ":", "a:b", "%zz", "http://[", string(make([]byte, 300))} {
					with := proto.Clone(good).ProtoReflect()
					with.Set(f, protoreflect.ValueOfString(text))
					agree(t, with.Interface())
				}
			}
		}
	}
}

func FuzzQuickRules(f *testing.F) {
	types := append([]EventType{{}}, EventTypes()...)
	for i := range types {
		for _, m := range soundEvents() {
			b, err := proto.Marshal(m)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(uint8(i), b)
		}
	}
	f.Fuzz(func(t *testing.T, kind uint8, b []byte) {
		var m proto.Message = &eventv1.Event{}
		if i := int(kind) % len(types); i > 0 {
			m = types[i].New()
		}
		if proto.Unmarshal(b, m) == nil {
			agree(t, m)
		}
	})
}

func FuzzQuickPatterns(f *testing.F) {
	for _, text := range []string{"", "a", "A1", "0.5", "01", "plantmesh.v1.A", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "\n", "é"} {
		f.Add(text)
	}
	compiled := map[string]*regexp.Regexp{}
	for pattern := range quickPatterns {
		compiled[pattern] = regexp.MustCompile(pattern)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for pattern, quick := range quickPatterns {
			if quick(text) != compiled[pattern].MatchString(text) {
				t.Errorf("%s and its function disagree over %q", pattern, text)
			}
		}
		if plainPath(text) {
			agree(t, &eventv1.Event{Id: "1", Source: text, Type: "a", Time: timestamppb.New(time.Unix(1, 0))})
		}
	})
}
