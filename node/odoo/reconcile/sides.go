package reconcile

import (
	"slices"
	"strings"
	"unicode"

	"github.com/cockroachdb/apd/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/plantmesh/plantmesh/node/odoo"
	"github.com/plantmesh/plantmesh/node/odoo/capture"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// moneyDigits is how many digits behind the point Odoo keeps of prices ("Product Price"), unless that is changed.
const moneyDigits = 2

// price is what was said last of an item's cost.
type price struct {
	amount *manufacturingv1.Money // nil: nothing
	unit   string                 // of one
	by     entry
}

// sides compares one thing on both sides, field by field.
type sides struct {
	*lookup
	erp   capture.Thing
	found []differing
}

// differing is a field that is not the same on both sides.
type differing struct {
	name, mesh, odoo, gap, unit string
	by                          *entry // nil: the event that tells of the whole
}

// lookup is what the comparison of one thing has to know of others.
type lookup struct {
	*comparison
	centers map[string]string // ids of work centers, by their names
	tracked map[string]bool   // items of which an event named a lot, which turns tracking on where events may create items
	costs   map[string]price  // of items
}

func (c *comparison) lookup(m *model, things []capture.Thing) *lookup {
	l := &lookup{comparison: c, centers: map[string]string{}, tracked: map[string]bool{}, costs: m.costs}
	for _, t := range things {
		if p, ok := t.Payload.(*manufacturingv1.WorkCenterChanged); ok && l.centers[p.GetName()] == "" {
			l.centers[p.GetName()] = p.GetWorkCenterId()
		}
	}
	if slices.Contains(c.Config.CreateMissing, odoo.CreateItems) {
		for at := range m.stock {
			l.tracked[at.item] = l.tracked[at.item] || at.lot != ""
		}
	}
	return l
}

// compare notes what differs, of the fields that an event of its type sets in Odoo.
func (s *sides) compare(payload proto.Message) {
	switch mesh := payload.(type) {
	case *manufacturingv1.UnitChanged:
		s.unit(mesh)
	case *manufacturingv1.ItemChanged:
		s.item(mesh)
	case *manufacturingv1.BillOfMaterialsChanged:
		s.bill(mesh)
	case *manufacturingv1.RoutingChanged:
		s.routing(mesh)
	case *manufacturingv1.WorkCenterChanged:
		s.workCenter(mesh)
	case *manufacturingv1.SupplierChanged:
		erp, _ := s.erp.Payload.(*manufacturingv1.SupplierChanged)
		s.partner(mesh, erp)
		s.stated("currency", mesh.GetCurrency(), erp.GetCurrency())
	case *manufacturingv1.CustomerChanged:
		erp, _ := s.erp.Payload.(*manufacturingv1.CustomerChanged)
		s.partner(mesh, erp)
	case *manufacturingv1.FinancialDimensionChanged:
		erp, _ := s.erp.Payload.(*manufacturingv1.FinancialDimensionChanged)
		s.text("name", mesh.GetName(), erp.GetName())
		s.stated("dimension_name", mesh.GetDimensionName(), erp.GetDimensionName())
		s.yes("retired", mesh.GetRetired(), erp.GetRetired())
	}
}

// text compares two values; what Odoo has no word for is not compared.
func (s *sides) text(name, mesh, erp string) {
	if mesh != erp && !s.erp.Unclearly(name) {
		s.found = append(s.found, differing{name: name, mesh: shown(mesh), odoo: shown(erp)})
	}
}

// stated compares a value that an event may leave open.
func (s *sides) stated(name, mesh, erp string) {
	if mesh != "" {
		s.text(name, mesh, erp)
	}
}

func (s *sides) yes(name string, mesh, erp bool) {
	word := map[bool]string{true: "true", false: "false"}
	s.text(name, word[mesh], word[erp])
}

// number compares two decimals.
func (s *sides) number(name string, mesh, erp *apd.Decimal, unit string) {
	if mesh.Cmp(erp) != 0 && !s.erp.Unclearly(name) {
		s.found = append(s.found, differing{name: name, mesh: odoo.Plain(mesh), odoo: odoo.Plain(erp), gap: odoo.Plain(minus(erp, mesh)), unit: unit})
	}
}

// quantity compares two quantities, that of the event rounded as Odoo rounds what it stores.
func (s *sides) quantity(name string, mesh, erp *manufacturingv1.Quantity) {
	measures := s.inventory.Measures
	rounded, err := measures.Convert(decimalOf(mesh.GetValue()), mesh.GetUnit(), measures.Coded(mesh.GetUnit()))
	if err != nil {
		rounded = decimalOf(mesh.GetValue())
	}
	if !s.Config.SameUnit(mesh.GetUnit(), erp.GetUnit()) {
		s.text(name, odoo.Plain(rounded)+" "+mesh.GetUnit(), odoo.Plain(decimalOf(erp.GetValue()))+" "+erp.GetUnit())
		return
	}
	s.number(name, rounded, decimalOf(erp.GetValue()), mesh.GetUnit())
}

// price compares two amounts with as many digits as Odoo keeps of prices; none is zero.
func (s *sides) price(name string, mesh *apd.Decimal, erp *manufacturingv1.Money) {
	s.number(name, toMoney(mesh), toMoney(decimalOf(erp.GetAmount())), erp.GetCurrency())
}

func toMoney(d *apd.Decimal) *apd.Decimal {
	half, rounded := *exact, new(apd.Decimal)
	half.Rounding = apd.RoundHalfUp
	_, _ = half.Quantize(rounded, d, -moneyDigits) // cannot fail for numbers of 60 digits
	return rounded
}

// decimalOf is a number of a payload, which the schema has checked; zero for what is empty.
func decimalOf(text string) *apd.Decimal {
	d, _, err := apd.NewFromString(text)
	if err != nil {
		return new(apd.Decimal)
	}
	return d
}

// shown is a text as a report has it.
func shown(text string) string {
	if text == "" {
		return "(empty)"
	}
	return text
}

// choice is the name of an enum's value, without what all of them begin with.
func choice(value protoreflect.Enum) string {
	name := string(value.Descriptor().Values().ByNumber(value.Number()).Name())
	all := string(value.Descriptor().Values().ByNumber(0).Name())
	return strings.ToLower(strings.TrimPrefix(name, strings.TrimSuffix(all, "UNSPECIFIED")))
}

// partner is what suppliers and customers have in common.
type partner interface {
	GetName() string
	GetTaxNumber() string
	GetEmail() string
	GetPhone() string
	GetStreet() string
	GetPostalCode() string
	GetCity() string
	GetCountryCode() string
	GetRetired() bool
}

func (s *sides) partner(mesh, erp partner) {
	s.text("name", mesh.GetName(), erp.GetName())
	if compact(mesh.GetTaxNumber()) != compact(erp.GetTaxNumber()) {
		s.text("tax_number", mesh.GetTaxNumber(), erp.GetTaxNumber())
	}
	s.text("email", mesh.GetEmail(), erp.GetEmail())
	s.text("phone", mesh.GetPhone(), erp.GetPhone())
	s.text("street", mesh.GetStreet(), erp.GetStreet())
	s.text("postal_code", mesh.GetPostalCode(), erp.GetPostalCode())
	s.text("city", mesh.GetCity(), erp.GetCity())
	s.text("country_code", mesh.GetCountryCode(), erp.GetCountryCode())
	s.yes("retired", mesh.GetRetired(), erp.GetRetired())
}

// compact is a tax number without what Odoo writes otherwise: blanks, points, dashes, and small letters.
func compact(number string) string {
	return strings.ToUpper(strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return r
		}
		return -1
	}, number))
}
