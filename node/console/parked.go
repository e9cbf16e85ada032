package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/api"
	"github.com/plantmesh/plantmesh/node/odoo"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

// odooConsumer is the name of the consumer that applies events in Odoo; others are programs of a client.
const odooConsumer = "odoo"

// parkedOnPage is how many events a page shows whole.
const parkedOnPage = 20

// parkedBody is a page of what is parked.
type parkedBody struct {
	Events               []parkedEvent
	Total                int
	Page, Pages          int
	Previous, Next       int // 0: none
	RetryAll, LookupFail string
}

// parkedEvent is one that is parked, with all that is known about it.
type parkedEvent struct {
	*adminv1.ParkedSubject
	Consumer string
	FromOdoo bool // the reason is in Odoo's words
	Link     string
	Now      time.Time

	Event      *eventv1.RecordedEvent // nil: cannot be read
	Payload    string                 // as JSON
	Unreadable string                 // why there is no payload to show

	Record     *odoo.Record // nil: it is about none in Odoo
	RecordPage string       // its address there; empty: not found
	LookedUp   bool

	Retry, Discard string // commands
}

// listed is a parked subject of a consumer.
type listed struct {
	consumer string
	*adminv1.ParkedSubject
}

// parked is the page of all that is parked, oldest first.
func (c *Console) parked(w http.ResponseWriter, r *http.Request) {
	var all []listed
	for _, one := range c.sources.Consumers.List() {
		if consumer, ok := c.sources.Consumers.Consumer(one.GetName()); ok && one.GetParkedSubjects() > 0 {
			for _, p := range consumer.ParkedSubjects() {
				all = append(all, listed{one.GetName(), p})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b listed) int { return a.GetSince().AsTime().Compare(b.GetSince().AsTime()) })
	body := parkedBody{Total: len(all), Pages: max(1, (len(all)+parkedOnPage-1)/parkedOnPage), RetryAll: command("plantmesh", "parked", "retry", "--all")}
	number, _ := strconv.Atoi(r.URL.Query().Get("page")) // what is no number is the first page
	body.Page = min(max(number, 1), body.Pages)
	if body.Previous = body.Page - 1; body.Page < body.Pages {
		body.Next = body.Page + 1
	}
	status, now := c.sources.Status(), time.Now()
	for _, p := range all[(body.Page-1)*parkedOnPage : min(body.Page*parkedOnPage, len(all))] {
		body.Events = append(body.Events, c.parkedEventOf(p.consumer, p.ParkedSubject, now))
	}
	body.LookupFail = c.lookUp(r.Context(), status, body.Events)
	c.show(w, http.StatusOK, "parked", status, page{Title: "Parked", Path: "/parked", Now: now, Body: body})
}

// parkedEvent is the page of one parked event.
func (c *Console) parkedEvent(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	name, stream, subject := q.Get("consumer"), q.Get("stream"), q.Get("subject")
	gone := fmt.Sprintf("%s of %s is not parked, or not any more.", subject, stream)
	consumer, ok := c.sources.Consumers.Consumer(name)
	if !ok {
		c.missing(w, gone)
		return
	}
	parked := consumer.ParkedSubjects()
	at := slices.IndexFunc(parked, func(p *adminv1.ParkedSubject) bool { return p.GetStream() == stream && p.GetSubject() == subject })
	if at < 0 {
		c.missing(w, gone)
		return
	}
	status, now := c.sources.Status(), time.Now()
	one := []parkedEvent{c.parkedEventOf(name, parked[at], now)}
	fail := c.lookUp(r.Context(), status, one)
	c.show(w, http.StatusOK, "event", status, page{Title: "Parked: " + subject, Path: "/parked", Now: now, Body: parkedBody{Events: one, LookupFail: fail}})
}

// parkedEventOf reads the event that holds a subject up.
func (c *Console) parkedEventOf(consumer string, p *adminv1.ParkedSubject, now time.Time) parkedEvent {
	out := parkedEvent{Consumer: consumer, FromOdoo: consumer == odooConsumer, Now: now}
	reader, ok := c.sources.Consumers.Consumer(consumer)
	if ok {
		out.read(reader, p)
	} else {
		out.ParkedSubject, out.Unreadable = p, "the consumer was deleted meanwhile"
	}
	out.Link = "/parked/event?" + url.Values{"consumer": {consumer}, "stream": {p.GetStream()}, "subject": {p.GetSubject()}}.Encode()
	out.Retry = out.words("retry")
	out.Discard = out.words("discard", "--offset", strconv.FormatUint(out.GetOffset(), 10), "--reason", "THE REASON")
	if record, ok := odoo.RecordOf(p.GetSubject()); ok && out.FromOdoo {
		out.Record = &record
	}
	return out
}

// Said is why it was set aside: Odoo's own words, without the call that they answer.
func (e *parkedEvent) Said() string {
	if call, words, ok := strings.Cut(e.GetReason(), ": odoo: "); ok && e.FromOdoo && !strings.Contains(call, " ") {
		return words
	}
	return e.GetReason()
}

// read reads the event, and what is kept of the subject again: the event may be another by now.
func (e *parkedEvent) read(consumer api.Consumer, p *adminv1.ParkedSubject) {
	again, event, err := consumer.ParkedEvent(plantmesh.StreamName(p.GetStream()), p.GetSubject())
	if e.ParkedSubject = again; again == nil {
		e.ParkedSubject = p
	}
	if e.Event = event; err == nil {
		e.Payload, err = payloadOf(event.GetEvent())
	}
	if err != nil {
		e.Unreadable = err.Error()
	}
}

// words is a command line about the subject.
func (e *parkedEvent) words(verb string, more ...string) string {
	line := append([]string{"plantmesh", "parked", verb, e.GetStream(), e.GetSubject()}, more...)
	if !e.FromOdoo {
		line = append(line, "--consumer", e.Consumer)
	}
	return command(line...)
}

// payloadOf writes what an event says as JSON, with the names of the schema.
func payloadOf(e *eventv1.Event) (string, error) {
	payload, err := plantmesh.Payload(e)
	if err != nil {
		return "", err
	}
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(payload)
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	err = json.Indent(&out, text, "", "  ") // protojson's own spacing varies on purpose
	return out.String(), err
}
