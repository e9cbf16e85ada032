package config

import catalogv1 "github.com/plantmesh/plantmesh/proto/plantmesh/catalog/v1"

// classNames are the values of streams.*.class.
var classNames = map[string]catalogv1.Class{
	"":         catalogv1.Class_CLASS_UNSPECIFIED,
	"urgent":   catalogv1.Class_CLASS_URGENT,
	"standard": catalogv1.Class_CLASS_STANDARD,
	"bulk":     catalogv1.Class_CLASS_BULK,
}

// ClassRule is the class that is configured; unspecified if none is. Validate has found it well-formed.
func (s Stream) ClassRule() catalogv1.Class { return classNames[s.Class] }
