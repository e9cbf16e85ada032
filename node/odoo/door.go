package odoo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// What [Access] and [Config] may say of the API.
const (
	APIAuto    = "auto"    // JSON-2 where the server has it, JSON-RPC where not
	APIJSON2   = "json2"   // Odoo 19 and later
	APIJSONRPC = "jsonrpc" // Odoo 14 to 19
)

// firstJSON2 is the first version of Odoo with the JSON-2 API.
const firstJSON2 = 19

// door is a way to the methods of Odoo's models.
type door interface {
	// call runs a method with named arguments, and returns its result as JSON. An answer of Odoo that is no result is an *Error with
	// JSON-2's status, whatever the door; any other error is a lost connection.
	call(ctx context.Context, model, method string, args Args) ([]byte, error)
}

// chosen is the door that the configuration names, or that the server's version asks for.
func (c *Client) chosen(ctx context.Context) (door, error) {
	if known := c.door.Load(); known != nil {
		return *known, nil
	}
	api := c.access.API
	if api == APIAuto || api == "" {
		version := c.version.Load()
		if version == nil {
			said, err := c.Version(ctx)
			if err != nil {
				return nil, err
			}
			version = &said
		}
		api = APIJSONRPC
		if major, err := majorVersion(*version); err != nil {
			return nil, err
		} else if major >= firstJSON2 {
			api = APIJSON2
		}
	}
	var made door = &json2{wire: c.wire, access: c.access}
	if api == APIJSONRPC {
		if c.access.Login == "" {
			return nil, &setupError{"this server is spoken to by JSON-RPC, which asks for the user's login: set odoo.login, beside the API key"}
		}
		made = newJSONRPC(c.wire, c.access)
		major, err := c.major(ctx)
		if err != nil {
			return nil, err
		}
		if major < lastRun {
			made = olderDoor{door: made, major: major}
		}
	}
	if !c.door.CompareAndSwap(nil, &made) {
		return *c.door.Load(), nil // another call was first, and has the user's id perhaps
	}
	return made, nil
}

// Version asks for the server's version; it needs neither a key nor a database.
func (c *Client) Version(ctx context.Context) (string, error) {
	version, _, err := c.versionAndTime(ctx)
	return version, err
}

// versionAndTime also tells the time by the server's clock; zero if it does not say.
func (c *Client) versionAndTime(ctx context.Context) (string, time.Time, error) {
	answer, err := c.wire.send(ctx, http.MethodGet, nil, nil, "web", "version")
	if err != nil {
		return "", time.Time{}, fmt.Errorf("odoo version: %w", err)
	}
	var v struct {
		Version string `json:"version"`
	}
	if answer.status != http.StatusOK || json.Unmarshal(answer.body, &v) != nil || v.Version == "" { // this page is younger than the API
		var failed *Error
		result, second, err := (&jsonRPC{wire: c.wire}).service(ctx, "common", "version")
		switch {
		case errors.As(err, &failed) && answer.status != http.StatusOK:
			return "", time.Time{}, fmt.Errorf("odoo version: %w", decodeError(answer.status, answer.body))
		case err != nil && !errors.As(err, &failed):
			return "", time.Time{}, fmt.Errorf("odoo version: %w", err)
		}
		var old struct {
			Version string `json:"server_version"`
		}
		if err != nil || json.Unmarshal(result, &old) != nil || old.Version == "" {
			return "", time.Time{}, fmt.Errorf("odoo version: the server at %s does not answer as Odoo does: check odoo.url", c.wire.base.Host)
		}
		v.Version, answer = old.Version, second
	}
	c.version.Store(&v.Version)
	date, err := http.ParseTime(answer.header.Get("Date"))
	if err != nil {
		date = time.Time{}
	}
	return v.Version, date, nil
}

// wire sends requests to a server and reads its replies.
type wire struct {
	base *url.URL
	http *http.Client
}

// answer is a reply as it came.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// send makes one request; body is sent as JSON, unless it is nil. An error is a lost connection: the request may have been carried out.
func (w *wire) send(ctx context.Context, method string, body any, header http.Header, path ...string) (answer, error) {
	var content []byte
	if body != nil {
		var err error
		if content, err = json.Marshal(body); err != nil {
			return answer{}, fmt.Errorf("encode: %w", err)
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, w.base.JoinPath(path...).String(), bytes.NewReader(content))
	if err != nil {
		return answer{}, err
	}
	if header != nil {
		request.Header = header
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := w.http.Do(request)
	if err != nil {
		return answer{}, withoutAddress(err)
	}
	defer response.Body.Close()
	reply, err := io.ReadAll(io.LimitReader(response.Body, maxReply+1))
	if err != nil {
		return answer{}, fmt.Errorf("read the reply: %w", err)
	}
	if len(reply) > maxReply {
		return answer{}, fmt.Errorf("the reply is larger than %d bytes", maxReply)
	}
	return answer{response.StatusCode, response.Header, reply}, nil
}

// withoutAddress keeps the cause of a failed request: the address is known, and would change the text with every model.
func withoutAddress(err error) error {
	var failed *url.Error
	if errors.As(err, &failed) {
		return failed.Err
	}
	return err
}
