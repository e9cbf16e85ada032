package storage_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/storage"
	"github.com/plantmesh/plantmesh/storage/storagetest"
)

const production = plantmesh.StreamName("plant-a/production")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestLogConforms(t *testing.T) {
	storagetest.Run(t, func(o storage.Options) (storagetest.Log, error) { return storage.Open("log", o) })
}
