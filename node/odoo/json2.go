package odoo

import (
	"context"
	"net/http"
)

// json2 is Odoo's JSON-2 API: POST /json/2/<model>/<method>, arguments by name, the key in a header, a status for each kind of error.
type json2 struct {
	wire   *wire
	access Access
}

func (j *json2) call(ctx context.Context, model, method string, args Args) ([]byte, error) {
	if args == nil {
		args = Args{}
	}
	header := http.Header{"Authorization": {"bearer " + j.access.Key}, "X-Odoo-Database": {j.access.Database}}
	reply, err := j.wire.send(ctx, http.MethodPost, args, header, "json", "2", model, method)
	if err != nil {
		return nil, err
	}
	if reply.status != http.StatusOK {
		return nil, decodeError(reply.status, reply.body)
	}
	return reply.body, nil
}
