package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/goccy/go-yaml"

	"github.com/plantmesh/plantmesh/node/odoo"
)

// Load reads a configuration over the defaults, resolves its paths against the file's folder and validates it. An error
// of the file's form names line and column.
func Load(path string) (Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("configuration: %w", err)
	}
	c, err := Parse(text)
	if err != nil {
		return Config{}, fmt.Errorf("configuration %s%w", path, err)
	}
	folder, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return Config{}, fmt.Errorf("configuration %s: %w", path, err)
	}
	c.resolve(folder)
	if err := c.Validate(); err != nil {
		return Config{}, fmt.Errorf("configuration %s:\n%w", path, err)
	}
	return c, nil
}

// Parse decodes a configuration strictly, over the defaults. It resolves and validates nothing.
func Parse(text []byte) (Config, error) {
	given, err := sections(text)
	if err != nil {
		return Config{}, located(err)
	}
	c := Default()
	if given["odoo"] {
		standard := odoo.Default()
		c.Odoo = &standard
	}
	if given["telemetry"] {
		c.Telemetry = &Telemetry{SampleRatio: DefaultSampleRatio}
	}
	if given["export"] {
		c.Export = nil
	}
	if len(given) == 0 {
		return c, nil
	}
	if err := decode(text, &c, yaml.Strict()); err != nil {
		return Config{}, located(err)
	}
	if c.Export == nil {
		c.Export = []ExportRule{} // written as empty: nothing leaves
	}
	for i := range c.Adapters {
		if c.Adapters[i].Pattern == "" {
			c.Adapters[i].Pattern = DefaultPattern
		}
		if c.Adapters[i].SettleSeconds == 0 {
			c.Adapters[i].SettleSeconds = DefaultSettleSeconds
		}
	}
	return c, nil
}

// sections are the top-level keys that a file holds.
func sections(text []byte) (map[string]bool, error) {
	var keys map[string]any
	if err := decode(text, &keys); err != nil {
		return nil, err
	}
	given := map[string]bool{}
	for key, value := range keys {
		given[key] = value != nil
	}
	return given, nil
}

// decode reads YAML. The decoder panics over some tags where another type is expected.
func decode(text []byte, into any, options ...yaml.DecodeOption) (err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("a tag or alias is used where none fits: write the values out")
		}
	}()
	err = yaml.NewDecoder(bytes.NewReader(text), options...).Decode(into)
	if errors.Is(err, io.EOF) { // nothing in it
		return nil
	}
	return err
}

// resolve makes relative paths absolute.
func (c *Config) resolve(folder string) {
	paths := []*string{&c.DataDir, &c.TLS.Cert, &c.TLS.Key, &c.TLS.CA}
	for i := range c.Adapters {
		paths = append(paths, &c.Adapters[i].Dir, &c.Adapters[i].Mapping)
	}
	if c.Odoo != nil {
		paths = append(paths, &c.Odoo.APIKeyFile)
	}
	for _, p := range paths {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(folder, *p)
		}
	}
}

// Redacted is the configuration with its secrets hidden, for printing.
func (c Config) Redacted() Config {
	if c.Odoo != nil {
		hidden := c.Odoo.Redacted()
		c.Odoo = &hidden
	}
	return c
}

// Marshal writes the configuration as YAML that [Parse] reads.
func (c Config) Marshal() ([]byte, error) {
	text, err := yaml.MarshalWithOptions(c, yaml.IndentSequence(true))
	if err != nil {
		return nil, fmt.Errorf("write configuration: %w", err)
	}
	return text, nil
}
