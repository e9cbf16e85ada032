package adapter

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/ext"
)

// Names that every expression can use, beside the mapping's own vars.
const (
	nameRow  = "row"  // map of column to text
	nameSite = "site" // name of the site that runs the adapter
	nameLine = "line" // of the file, counted from 1
)

// environment declares what expressions can use. Times without a zone are read in zone.
func environment(zone *time.Location) (*cel.Env, error) {
	return cel.NewEnv(
		cel.Variable(nameRow, cel.MapType(cel.StringType, cel.StringType)),
		cel.Variable(nameSite, cel.StringType),
		cel.Variable(nameLine, cel.IntType),
		ext.Strings(),
		cel.Function("digest", cel.Overload("digest_row", []*cel.Type{cel.MapType(cel.StringType, cel.StringType)}, cel.StringType,
			cel.UnaryBinding(digest))),
		cel.Function("time",
			cel.Overload("time_layout", []*cel.Type{cel.StringType, cel.StringType}, cel.TimestampType,
				cel.BinaryBinding(func(text, layout ref.Val) ref.Val { return localTime(text, layout, zone) })),
			cel.Overload("time_layout_zone", []*cel.Type{cel.StringType, cel.StringType, cel.StringType}, cel.TimestampType,
				cel.FunctionBinding(zonedTime))),
		cel.Function("decimal",
			cel.Overload("decimal_text", []*cel.Type{cel.StringType}, cel.StringType,
				cel.UnaryBinding(func(text ref.Val) ref.Val { return exact(text, types.String(".")) })),
			cel.Overload("decimal_text_separator", []*cel.Type{cel.StringType, cel.StringType}, cel.StringType,
				cel.BinaryBinding(exact))),
	)
}

// digest identifies a row by its content: equal rows have equal digests, whatever the order of their columns.
func digest(row ref.Val) ref.Val {
	columns, ok := row.(traits.Mapper)
	if !ok {
		return types.NewErr("digest: give it the row")
	}
	var names []string
	for it := columns.Iterator(); it.HasNext() == types.True; {
		names = append(names, plain(it.Next()))
	}
	slices.Sort(names)
	hash := sha256.New()
	var size [8]byte
	for _, name := range names {
		for _, text := range []string{name, plain(columns.Get(types.String(name)))} {
			binary.BigEndian.PutUint64(size[:], uint64(len(text)))
			hash.Write(size[:])
			hash.Write([]byte(text))
		}
	}
	return types.String(hex.EncodeToString(hash.Sum(nil)))
}

func localTime(text, layout ref.Val, zone *time.Location) ref.Val {
	t, err := parseLocal(plain(text), plain(layout), zone)
	if err != nil {
		return types.WrapErr(err)
	}
	return types.Timestamp{Time: t}
}

func zonedTime(args ...ref.Val) ref.Val {
	zone, err := time.LoadLocation(plain(args[2]))
	if err != nil {
		return types.WrapErr(err)
	}
	return localTime(args[0], args[1], zone)
}

func exact(text, separator ref.Val) ref.Val {
	value, err := decimal(plain(text), plain(separator))
	if err != nil {
		return types.WrapErr(err)
	}
	return types.String(value)
}

// plain is the text of a value that CEL has checked to be one.
func plain(v ref.Val) string {
	text, _ := v.(types.String)
	return string(text)
}
