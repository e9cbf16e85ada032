package adapter

import (
	"errors"
	"fmt"
	"regexp"
	"time"
	_ "time/tzdata" // zones are known on a machine without them
	"unicode/utf8"

	"cel.dev/cel-go/cel"

	"github.com/plantmesh/plantmesh"
)

// Mapping turns rows into events. Safe for concurrent use.
type Mapping struct {
	site    plantmesh.SiteID
	config  MappingConfig
	source  *program
	skip    *program // nil: never
	siteOf  *program // nil: this site
	vars    map[string]*program
	rules   []rule
	columns []string // that a table must have
}

// rule is a compiled Rule.
type rule struct {
	when    *program // nil: always
	kind    plantmesh.EventType
	id      *program
	time    *program
	subject *program // nil: by the catalog
	fields  []setter
}

var varName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// Compile checks a mapping, for the site that runs it. The error joins all faults, each with file, line and column.
func Compile(config MappingConfig, site plantmesh.SiteID) (*Mapping, error) {
	zone, err := time.LoadLocation(config.TimeZone)
	if err != nil || config.TimeZone == "" {
		return nil, fmt.Errorf("mapping %s: time_zone %q: give an IANA name, such as Europe/Berlin or UTC", config.path, config.TimeZone)
	}
	env, err := environment(zone)
	if err != nil {
		return nil, fmt.Errorf("mapping %s: %w", config.path, err)
	}
	m := &Mapping{site: site, config: config, vars: map[string]*program{}}
	c := &compiler{path: config.path, env: env}
	m.compileVars(c)
	m.source = c.compile("source", config.Source, cel.StringType)
	m.skip = c.optional("skip", config.Skip, cel.BoolType)
	m.siteOf = c.optional("site", config.Site, cel.StringType)
	for i, r := range config.Events {
		m.rules = append(m.rules, c.rule(fmt.Sprintf("events[%d]", i), r))
	}
	if len(config.Events) == 0 {
		c.faults = append(c.faults, fmt.Errorf("mapping %s: events: at least one is needed", config.path))
	}
	if _, err := config.delimiter(); err != nil {
		c.faults = append(c.faults, err)
	}
	if err := errors.Join(c.faults...); err != nil {
		return nil, err
	}
	m.columns = c.needed()
	return m, nil
}

func (m *Mapping) compileVars(c *compiler) {
	for _, v := range m.config.Vars {
		if !varName.MatchString(v.Name) || m.vars[v.Name] != nil || v.Name == nameRow || v.Name == nameSite || v.Name == nameLine {
			c.fault(v.Value, "vars: %q: a name is lower-case letters, digits and _, used once, and not row, site or line", v.Name)
			continue
		}
		p := c.compile("vars."+v.Name, v.Value)
		if p == nil {
			continue
		}
		if err := c.declare(v.Name, p.kind); err != nil {
			c.fault(v.Value, "vars.%s: %v", v.Name, err)
		}
		m.vars[v.Name] = p
	}
}

func (c *compiler) rule(what string, r Rule) rule {
	kind, err := plantmesh.LookupEventType(r.Type)
	if err != nil {
		c.fault(r.ID, "%s.type: %v", what, err)
		return rule{}
	}
	return rule{
		kind:    kind,
		when:    c.optional(what+".when", r.When, cel.BoolType),
		id:      c.compile(what+".id", r.ID, cel.StringType),
		time:    c.compile(what+".time", r.Time, cel.TimestampType),
		subject: c.optional(what+".subject", r.Subject, cel.StringType),
		fields:  c.setters("", kind.Descriptor(), r.Fields),
	}
}

func (c MappingConfig) delimiter() (rune, error) {
	if c.Delimiter == "" {
		return ',', nil
	}
	r, size := utf8.DecodeRuneInString(c.Delimiter)
	if size != len(c.Delimiter) || r == '"' || r == '\n' || r == '\r' || r == utf8.RuneError {
		return 0, fmt.Errorf("mapping %s: delimiter %q: give one character, not a quote", c.path, c.Delimiter)
	}
	return r, nil
}

// Delimiter separates the columns of a line.
func (m *Mapping) Delimiter() rune {
	r, _ := m.config.delimiter() // Compile checked it
	return r
}

// Columns are the names of the columns, if the file has no header line.
func (m *Mapping) Columns() []string { return m.config.Columns }
