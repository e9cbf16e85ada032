package odoo

import (
	"embed"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Action is a server action in Odoo: the effects of one part of the business. There are several, since Odoo compiles an action's code
// each time it runs it.
type Action struct {
	Name  string // in Odoo
	Kinds []EffectKind
	Code  string // as it stands in Odoo
}

// actionVersion is of all actions together: it rises with every change of what their code does.
const actionVersion = 7

// actionMarker begins the code's first line; the version follows, and the part. A node replaces an older version, and refuses to work
// beside a newer one.
const actionMarker = "# plantmesh apply "

// together has the functions that make several effects of a kind at once, which is cheaper.
var together = map[EffectKind]string{EffectPost: "post_all"}

// parts of the business, each with its effects. Effects of one call are of one part.
var parts = []struct {
	name  string
	kinds []EffectKind
}{
	{"production", []EffectKind{EffectRelease, EffectReport, EffectComplete}},
	{"materials", []EffectKind{EffectConsume, EffectReserve, EffectClose}},
	{"stock", []EffectKind{EffectScrap, EffectHold, EffectUnhold, EffectAdjust, EffectCount}},
	{"master data", []EffectKind{
		EffectUnit, EffectItem, EffectBill, EffectRouting, EffectWorkCenter, EffectPartner, EffectDimension,
	}},
	{"logistics", []EffectKind{EffectTransferOut, EffectTransferIn, EffectShipment, EffectPurchase, EffectGoodsIn}},
	{"books", []EffectKind{EffectPost, EffectCost}},
	{"maintenance", []EffectKind{EffectDown, EffectUp, EffectRequest}},
}

//go:embed action/*.py
var actionFiles embed.FS

// Actions are all server actions that the applier runs, for the newest Odoo.
var Actions = sync.OnceValue(func() []Action { return buildActions(lastRun) })

// buildActions puts the actions together as a version of Odoo has them.
func buildActions(major int) []Action {
	functions, begin, end := actionSource()
	functions = functions.as(major)
	var list []Action
	for _, part := range parts {
		var single, several []string
		for _, kind := range part.kinds {
			single = append(single, fmt.Sprintf("'%s': %s", kind, kind))
			if name, ok := together[kind]; ok {
				several = append(several, fmt.Sprintf("'%s': %s", kind, name))
			}
		}
		effects := "effects = {" + strings.Join(single, ", ") + "}\ntogether = {" + strings.Join(several, ", ") + "}\n"
		code := []string{fmt.Sprintf("%s%d %s\n#\n%s", actionMarker, actionVersion, part.name, begin)}
		for _, f := range functions.neededBy(effects + end) {
			code = append(code, f.text)
		}
		list = append(list, Action{
			Name: "plantmesh: apply " + part.name, Kinds: part.kinds,
			Code: strings.Join(append(code, effects+end), "\n\n"),
		})
	}
	return list
}

// actionOf is the index in Actions of the one that makes an effect.
func actionOf(kind EffectKind) int {
	return slices.IndexFunc(Actions(), func(a Action) bool { return slices.Contains(a.Kinds, kind) })
}

// ActionVersion reads the version in the first line of a server action's code. It is an error if the code is not ours.
func ActionVersion(code string) (int, error) {
	line, _, _ := strings.Cut(strings.TrimSpace(code), "\n")
	rest, ours := strings.CutPrefix(line, actionMarker)
	digits, _, _ := strings.Cut(rest, " ")
	version, err := strconv.Atoi(strings.TrimSpace(digits))
	if !ours || err != nil || version < 1 {
		return 0, fmt.Errorf("the code of the server action does not begin with %q and a version", actionMarker)
	}
	return version, nil
}

// function is a function of the Python source.
type function struct {
	name, text string
	uses       []string
}

// used are the names that code calls, or has as effects; also names that are no functions of ours.
func used(code string) []string {
	var names []string
	for _, found := range use.FindAllStringSubmatch(code, -1) {
		names = append(names, found[1]+found[2])
	}
	return names
}

var use = regexp.MustCompile(`\b(\w+)\(|: (\w+)[,}]`)

// library is all of them, in the order of the source.
type library []function

// actionSource reads the Python files: functions, what comes before them, and what comes last.
func actionSource() (functions library, begin, end string) {
	files, err := actionFiles.ReadDir("action")
	if err != nil {
		panic("read embedded files: " + err.Error())
	}
	head := regexp.MustCompile(`(?m)^def (\w+)\(`)
	for _, file := range files {
		b, err := actionFiles.ReadFile("action/" + file.Name())
		if err != nil {
			panic("read embedded files: " + err.Error())
		}
		switch text := string(b); file.Name() {
		case "begin.py":
			begin = strings.TrimRight(text, "\n")
		case "end.py":
			end = text
		default:
			starts := head.FindAllStringSubmatchIndex(text, -1)
			for i, at := range starts {
				until := len(text)
				if i+1 < len(starts) {
					until = starts[i+1][0]
				}
				name := text[at[2]:at[3]]
				code := strings.TrimRight(text[at[0]:until], "\n")
				functions = append(functions, function{name: name, text: code, uses: used(code)})
			}
		}
	}
	return functions, begin, end
}

// neededBy are the functions that code uses, directly or through others, in the order of the source.
func (l library) neededBy(code string) library {
	needed := map[string]bool{}
	for names := used(code); len(names) > 0; {
		name := names[0]
		names = names[1:]
		if i := slices.IndexFunc(l, func(f function) bool { return f.name == name }); i >= 0 && !needed[name] {
			needed[name] = true
			names = append(names, l[i].uses...)
		}
	}
	return slices.DeleteFunc(slices.Clone(l), func(f function) bool { return !needed[f.name] })
}
