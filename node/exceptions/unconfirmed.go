package exceptions

import (
	"fmt"
	"strings"
	"time"

	"github.com/plantmesh/plantmesh/node/confirmations"
)

// Outcomes is what is known of the outcomes of this site's events.
type Outcomes interface {
	Overdue() (all []confirmations.Overdue, looked bool)
	Rejected() (all []confirmations.Rejected, looked bool)
}

// Unconfirmed looks for events whose outcome in the ERP was not told in time: one condition for each stream and type, however many they are.
func Unconfirmed(from Outcomes) Source { return unconfirmed{from} }

type unconfirmed struct{ from Outcomes }

func (unconfirmed) Kinds() []string { return []string{KindUnconfirmed} }

func (u unconfirmed) Conditions() (all []Condition) {
	overdue, _ := u.from.Overdue()
	for _, o := range overdue {
		count := fmt.Sprintf("%d events are", o.Count)
		if o.Count == 1 {
			count = "1 event is"
		}
		if o.More {
			count = fmt.Sprintf("%d events or more are", o.Count)
		}
		all = append(all, Condition{
			Kind: KindUnconfirmed, About: aboutType(string(o.Stream), o.Type), Owner: Operations,
			Summary: fmt.Sprintf("%s not confirmed by the ERP within %s. The oldest is about %s, at offset %d, recorded at %s.",
				count, o.Within, o.Subject, o.Offset, o.Recorded.UTC().Format(time.RFC3339)),
			Action: o.Procedure + " Before that, look whether it is only late: plantmesh status at the site that faces the ERP. What is entered by hand has to be discarded there.",
		})
	}
	return all
}

// Ended: after a look of this run, what is not overdue is confirmed, or was given up.
func (u unconfirmed) Ended(Open) (bool, string) {
	_, looked := u.from.Overdue()
	return looked, "The ERP has told what became of all of them."
}

func aboutType(stream, name string) string {
	return stream + " " + name[strings.LastIndexByte(name, '.')+1:]
}

// Refused looks for events of this site that the ERP refused.
func Refused(from Outcomes) Source { return refused{from} }

type refused struct{ from Outcomes }

func (refused) Kinds() []string { return []string{KindRejected} }

func (r refused) Conditions() (all []Condition) {
	rejected, _ := r.from.Rejected()
	for _, one := range rejected {
		all = append(all, Condition{
			Kind: KindRejected, About: string(one.Stream) + " " + one.Subject, Owner: Operations,
			Summary: fmt.Sprintf("The ERP refused %s at offset %d: %s", one.Type[strings.LastIndexByte(one.Type, '.')+1:], one.Offset, one.Reason),
			Action:  "Mend what the text names, here or in the ERP. It is tried again there by itself; later events of this subject wait for it.",
		})
	}
	return all
}

// Ended: what is not rejected any more was applied, or given up.
func (r refused) Ended(Open) (bool, string) {
	_, looked := r.from.Rejected()
	return looked, "The event is applied, or was given up."
}
