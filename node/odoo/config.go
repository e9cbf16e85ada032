package odoo

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
)

// What create_missing may name: what an event may create when it names something that Odoo does not have.
const (
	CreateItems       = "items"
	CreateWorkCenters = "work_centers"
	CreateOrders      = "orders"
	CreateLots        = "lots"
	CreateLocations   = "locations"
)

// CreateAll is everything that may be created: for a database that the mesh alone fills.
func CreateAll() []string {
	return []string{CreateItems, CreateWorkCenters, CreateOrders, CreateLots, CreateLocations}
}

// Values of Config.Provision.
const (
	ProvisionAuto  = "auto"
	ProvisionNever = "never"
)

// Values of Config.Code.
const (
	CodeAuto    = "auto"    // the add-on where the database has it, server actions where not
	CodeActions = "actions" // server actions
	CodeAddon   = "addon"   // the add-on, and nothing else
)

// Defaults of [Config].
const (
	DefaultConcurrency = 2
	DefaultBatch       = 16
	DefaultQuarantine  = "Quarantine"
)

// Config says which Odoo, with which key, and how the mesh's names map to its records.
type Config struct {
	URL      string `yaml:"url"`
	Database string `yaml:"database"`

	// API is auto, json2 or jsonrpc: how to speak with the server. auto asks for its version.
	API string `yaml:"api"`
	// Login is of the user that plantmesh works as. JSON-RPC, and so Odoo before 19, asks for it.
	Login string `yaml:"login,omitempty"`

	// The API key of the user that plantmesh works as: exactly one of the three.
	APIKey     string `yaml:"api_key,omitempty"`
	APIKeyFile string `yaml:"api_key_file,omitempty"` // first line of a file
	APIKeyEnv  string `yaml:"api_key_env,omitempty"`  // name of an environment variable

	// Provision is auto or never: whether the node makes what it needs in Odoo when it starts, if its key may.
	Provision string `yaml:"provision"`

	// Code is auto, actions or addon: where the code that applies events is in Odoo.
	Code string `yaml:"code"`

	// Concurrency is how many calls run in Odoo at once. Keep it below Odoo's workers: more only wait there.
	Concurrency int `yaml:"concurrency"`
	// Batch is how many waiting events one call may carry; they share its transaction.
	Batch int `yaml:"batch"`

	// The mapping of every site, before which goes what Sites says of one.
	Site  `yaml:",inline"`
	Sites map[string]Site `yaml:"sites,omitempty"`
	// Units are Odoo's units by the codes of events, where those are not UN/CEFACT's for one of Odoo's own: external ids or names.
	Units map[string]string `yaml:"units,omitempty"`

	// CreateMissing names what an event may create in Odoo. Anything else that is missing parks the event.
	CreateMissing []string `yaml:"create_missing"`
	// Quarantine is the name of the location, one in each warehouse, that held material is moved to.
	Quarantine string `yaml:"quarantine_location"`

	// Capture has what changes in Odoo become events. nil: it does not.
	Capture *Capture `yaml:"capture,omitempty"`

	// Reconcile says how the mesh is compared with Odoo.
	Reconcile Reconcile `yaml:"reconcile"`

	// Windows say which events are collected, and applied together at certain times. All others are applied as they come.
	Windows []Window `yaml:"windows,omitempty"`
}

// Default is a configuration that lacks only the address, the database and the key.
func Default() Config {
	return Config{
		API:         APIAuto,
		Provision:   ProvisionAuto,
		Code:        CodeAuto,
		Concurrency: DefaultConcurrency, Batch: DefaultBatch, Quarantine: DefaultQuarantine,
		CreateMissing: []string{CreateOrders, CreateLots},
		Reconcile:     Reconcile{MaxEvents: DefaultMaxEvents},
	}
}

// Validate joins all faults, each with its path and value.
func (c Config) Validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if u, err := url.Parse(c.URL); err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		fault("odoo.url %q: give the address of the server, such as https://odoo.example.com", c.URL)
	}
	if c.Database == "" {
		fault("odoo.database: name the database")
	}
	if !slices.Contains([]string{APIAuto, APIJSON2, APIJSONRPC}, c.API) {
		fault("odoo.api %q: must be %s, %s or %s", c.API, APIAuto, APIJSON2, APIJSONRPC)
	}
	if c.API == APIJSONRPC && c.Login == "" {
		fault("odoo.login: name the login of the user that the API key is of: JSON-RPC asks for it")
	}
	if c.Provision != ProvisionAuto && c.Provision != ProvisionNever {
		fault("odoo.provision %q: must be %s or %s", c.Provision, ProvisionAuto, ProvisionNever)
	}
	if !slices.Contains([]string{CodeAuto, CodeActions, CodeAddon}, c.Code) {
		fault("odoo.code %q: must be %s, %s or %s", c.Code, CodeAuto, CodeActions, CodeAddon)
	}
	keys := 0
	for _, s := range []string{c.APIKey, c.APIKeyFile, c.APIKeyEnv} {
		if s != "" {
			keys++
		}
	}
	if keys != 1 {
		fault("odoo: give exactly one of api_key, api_key_file and api_key_env; %d are given", keys)
	}
	if c.Concurrency < 1 || c.Concurrency > 64 {
		fault("odoo.concurrency %d: must be 1 to 64", c.Concurrency)
	}
	if c.Batch < 1 || c.Batch > 500 {
		fault("odoo.batch %d: must be 1 to 500", c.Batch)
	}
	if strings.TrimSpace(c.Quarantine) == "" {
		fault("odoo.quarantine_location: must not be empty")
	}
	for i, name := range c.CreateMissing {
		if !slices.Contains(CreateAll(), name) {
			fault("odoo.create_missing[%d] %q: must be one of %s", i, name, strings.Join(CreateAll(), ", "))
		}
	}
	if c.Capture != nil {
		c.Capture.validate(fault)
	}
	c.Reconcile.validate(fault)
	if _, err := c.windows(); err != nil {
		faults = append(faults, err)
	}
	c.validateMapping(fault)
	return errors.Join(faults...)
}

// Redacted is the configuration with its secret hidden, for printing.
func (c Config) Redacted() Config {
	if c.APIKey != "" {
		c.APIKey = "(hidden)"
	}
	return c
}

// key finds the API key.
func (c Config) key() (string, error) {
	switch {
	case c.APIKeyFile != "":
		b, err := os.ReadFile(c.APIKeyFile)
		if err != nil {
			return "", fmt.Errorf("odoo.api_key_file: %w", err)
		}
		line, _, _ := strings.Cut(string(b), "\n")
		if line = strings.TrimSpace(line); line == "" {
			return "", fmt.Errorf("odoo.api_key_file %q: its first line is empty", c.APIKeyFile)
		}
		return line, nil
	case c.APIKeyEnv != "":
		key := os.Getenv(c.APIKeyEnv)
		if key == "" {
			return "", fmt.Errorf("odoo.api_key_env: the environment variable %s is not set", c.APIKeyEnv)
		}
		return key, nil
	}
	return c.APIKey, nil
}

// access is the way into the database with a key.
func (c Config) access(key string) Access {
	return Access{URL: c.URL, Database: c.Database, API: c.API, Login: c.Login, Key: key}
}
