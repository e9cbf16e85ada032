// Package config is a node's configuration: one YAML file, read strictly, checked as a whole.
package config
