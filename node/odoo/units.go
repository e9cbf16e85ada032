package odoo

import (
	"fmt"
	"regexp"
	"strings"
)

// units maps UN/CEFACT Recommendation 20 codes to Odoo's own units, only where both mean exactly the same.
var units = map[string]string{
	"C62": "uom.product_uom_unit", // one
	"EA":  "uom.product_uom_unit", // each
	"H87": "uom.product_uom_unit", // piece
	"DZN": "uom.product_uom_dozen",
	"GRM": "uom.product_uom_gram",
	"KGM": "uom.product_uom_kgm",
	"TNE": "uom.product_uom_ton",
	"ONZ": "uom.product_uom_oz",
	"LBR": "uom.product_uom_lb",
	"MMT": "uom.product_uom_millimeter",
	"CMT": "uom.product_uom_cm",
	"MTR": "uom.product_uom_meter",
	"KMT": "uom.product_uom_km",
	"INH": "uom.product_uom_inch",
	"FOT": "uom.product_uom_foot",
	"YRD": "uom.product_uom_yard",
	"SMI": "uom.product_uom_mile",
	"MTK": "uom.product_uom_square_meter",
	"FTK": "uom.product_uom_square_foot",
	"MLT": "uom.product_uom_milliliter",
	"LTR": "uom.product_uom_litre",
	"MTQ": "uom.product_uom_cubic_meter",
	"INQ": "uom.product_uom_cubic_inch",
	"FTQ": "uom.product_uom_cubic_foot",
	"OZA": "uom.product_uom_floz",
	"QTL": "uom.product_uom_qt",
	"GLL": "uom.product_uom_gal",
	"HUR": "uom.product_uom_hour",
	"KWH": "uom.product_uom_kwh",
}

// mostDigits is how many significant digits a number keeps in Odoo, which computes with binary floats.
const mostDigits = 15

// Quantity is an exact decimal on its way into Odoo, which turns it into a number of its own once.
type Quantity struct {
	Value string `json:"value"`
	Unit  string `json:"unit"` // UN/CEFACT code, as the event has it
	UoM   string `json:"uom"`  // external id of Odoo's unit; empty: the one with the name that follows, or else this code, which the mesh defined
	Name  string `json:"uom_name,omitempty"`
}

// externalID is how a record is called in data files.
var externalID = regexp.MustCompile(`^[a-z][a-z0-9_]*\.[A-Za-z0-9_]+$`)

// unit is Odoo's unit for a code: its external id, or its name; none if the mesh has to have defined it.
func (c Config) unit(code string) (external, name string) {
	there, mapped := c.Units[code]
	switch {
	case !mapped:
		return units[code], ""
	case externalID.MatchString(there):
		return there, ""
	}
	return "", there
}

// UnitCode is the code that events have for one of Odoo's units, by its external id and name; empty if neither UN/CEFACT nor the mapping has one.
func (c Config) UnitCode(external, name string) string {
	found := ""
	for code, id := range units {
		if _, mapped := c.Units[code]; !mapped && id == external && (found == "" || code < found) {
			found = code // of several for one unit, C62 comes first
		}
	}
	if found != "" {
		return found
	}
	for code := range c.Units {
		id, called := c.unit(code)
		if (id != "" && id == external || called != "" && called == name) && (found == "" || code < found) {
			found = code
		}
	}
	return found
}

// SameUnit tells whether two codes are one unit in Odoo.
func (c Config) SameUnit(a, b string) bool {
	one, oneName := c.unit(a)
	other, otherName := c.unit(b)
	return a == b || one+oneName != "" && one == other && oneName == otherName
}

// quantity maps a quantity of an event. Its value was validated against the schema.
func (c Config) quantity(value, unit string) (*Quantity, error) {
	if digits := significantDigits(value); digits > mostDigits {
		return nil, fmt.Errorf("quantity %s has %d significant digits, Odoo keeps %d: correct it at the source", value, digits, mostDigits)
	}
	external, name := c.unit(unit)
	return &Quantity{Value: value, Unit: unit, UoM: external, Name: name}, nil
}

func significantDigits(value string) int {
	value = strings.TrimPrefix(value, "-")
	whole, fraction, _ := strings.Cut(value, ".")
	fraction = strings.TrimRight(fraction, "0")
	if fraction == "" {
		return len(strings.Trim(whole, "0"))
	}
	return len(strings.TrimLeft(whole+fraction, "0"))
}
