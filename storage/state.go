package storage

import (
	"errors"
	"fmt"
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// State is a database for what is derived from the log: consumers' positions, read models. Each Update is atomic. It is
// written to the operating system when Update returns, so it survives the end of the process, kill -9 included. It is
// not fsynced: after a power cut the newest updates may be gone, the older ones are there in order, and owners read the
// log again from the position they then find. The folder can be removed and rebuilt from the log.
type State struct {
	*database
	mu     sync.RWMutex // held for reading during an update
	closed bool         // guarded by mu
	end    sync.Once
	owners sync.Map // name -> *Owner
}

// OpenState opens the derived database in a folder, creating it if there is none.
//
// Errors: ErrInUse, ErrNewerFormat, ErrOtherSite, and those of the disk; the text says what to do.
func OpenState(dir string, o Options) (*State, error) {
	d, err := openDatabase(dir, kindState, o)
	if errors.Is(err, pebble.ErrCorruption) {
		return nil, fmt.Errorf("%w; remove this folder: it is derived, and is rebuilt from the log", err)
	}
	if err != nil {
		return nil, err
	}
	return &State{database: d}, nil
}

// Close waits for updates that go on and closes the folder. Views must have ended. A second Close does nothing.
func (s *State) Close() error {
	err := error(nil)
	s.end.Do(func() { err = s.closeOnce() })
	return err
}

func (s *State) closeOnce() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	return s.close()
}

// Owner is one user's part of the database: nobody else sees its keys.
func (s *State) Owner(name string) *Owner {
	o, _ := s.owners.LoadOrStore(name, &Owner{state: s, name: name})
	return o.(*Owner) //nolint:errcheck,forcetypeassert // the map holds nothing else
}
