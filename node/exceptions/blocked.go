package exceptions

// BlockedCapture is a kind of records in the ERP and what keeps changes of it from being captured; an empty problem: nothing.
type BlockedCapture struct{ Kind, Problem string }

// Blocked looks for kinds of records that cannot be captured. list has those that were looked at since the start.
func Blocked(list func() []BlockedCapture) Source { return blocked{list} }

type blocked struct{ list func() []BlockedCapture }

func (blocked) Kinds() []string { return []string{KindBlocked} }

func (b blocked) Conditions() (all []Condition) {
	for _, one := range b.list() {
		if one.Problem == "" {
			continue
		}
		all = append(all, Condition{
			Kind: KindBlocked, About: one.Kind, Owner: Operations, Summary: "Changes in the ERP do not reach the mesh: " + one.Problem,
			Action: "Mend what the text names: the connection, the key, or a right of its user. Capture goes on by itself, and misses nothing of what is still there.",
		})
	}
	return all
}

// Ended: a kind that was looked at since the start, without a problem, is captured. Before that nothing is known.
func (b blocked) Ended(o Open) (bool, string) {
	for _, one := range b.list() {
		if one.Kind == o.About {
			return one.Problem == "", "Changes are captured again."
		}
	}
	return false, ""
}
