package config_test

import (
	"os"
	"regexp"
	"testing"

	"github.com/plantmesh/plantmesh/node/config"
)

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

func TestConfigurationsInTheDocumentationAreValid(t *testing.T) {
	for name, least := range map[string]int{"configuration.md": 1, "topologies.md": 7} {
		text, err := os.ReadFile("../../docs/" + name)
		if err != nil {
			t.Fatal(err)
		}
		blocks := yamlBlock.FindAllSubmatch(text, -1)
		if len(blocks) < least {
			t.Errorf("%s shows %d configurations", name, len(blocks))
		}
		for _, block := range blocks {
			c, err := config.Parse(block[1])
			if err != nil {
				t.Errorf("%s: %v in\n%s", name, err, block[1])
				continue
			}
			c.Mesh, c.Region, c.TLS = "acme-prod", "eu", config.TLS{Cert: "a", Key: "b", CA: "c"} // which fragments leave out
			if err := c.Validate(); err != nil {
				t.Errorf("%s: %v in\n%s", name, err, block[1])
			}
		}
	}
}

func TestExampleOfANodeIsValid(t *testing.T) {
	c, err := config.Load("../../deploy/examples/two-companies.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Odoo.LocationOf("plant-b", "RAW"); got != "WHB/Stock/Raw" {
		t.Errorf("the location is %q", got)
	}
}
