package odoo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
)

// registration is what the register in Odoo says of a server action.
type registration struct {
	id          int64
	fingerprint string // of its code
}

func (a Action) fingerprint() string {
	hash := sha256.Sum256([]byte(a.Code))
	return hex.EncodeToString(hash[:16])
}

// registered reads the register, which every internal user may. It is empty where nothing is provisioned.
func (c *Client) registered(ctx context.Context) (map[string]registration, error) {
	var found []struct {
		Name        text  `json:"x_name"`
		Action      int64 `json:"x_action"`
		Fingerprint text  `json:"x_fingerprint"`
	}
	err := c.SearchRead(ctx, ModelRegister, []any{}, []string{"x_name", "x_action", "x_fingerprint"}, 0, &found)
	var failed *Error
	if errors.As(err, &failed) && failed.Status == 404 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	all := map[string]registration{}
	for _, f := range found {
		all[string(f.Name)] = registration{f.Action, string(f.Fingerprint)}
	}
	return all, nil
}

// registeredActions returns the ids of the server actions, for a node that does not set Odoo up. The error says who may.
func (c *Client) registeredActions(ctx context.Context) ([]int64, error) {
	have, err := c.registered(ctx)
	if err != nil {
		return nil, err
	}
	wanted, err := c.actions(ctx)
	if err != nil {
		return nil, err
	}
	ids := make([]int64, len(wanted))
	for i, a := range wanted {
		switch known, ok := have[a.Name]; {
		case !ok:
			return nil, &setupError{fmt.Sprintf("Odoo lacks the server action %q, and this node does not make it: run `plantmesh odoo provision` with an administrator's key; a company that allows no code in server actions "+
				"installs the add-on (`plantmesh odoo addon`)", a.Name)}
		case known.fingerprint != a.fingerprint():
			return nil, &setupError{fmt.Sprintf("the server action %q in Odoo is not the one that this node brings, and this node does not change it: run `plantmesh odoo provision` "+
				"of this version with an administrator's key", a.Name)}
		default:
			ids[i] = known.id
		}
	}
	return ids, nil
}
