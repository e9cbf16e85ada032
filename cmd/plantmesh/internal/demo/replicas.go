package demo

import (
	"google.golang.org/protobuf/proto"

	"github.com/plantmesh/plantmesh"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
)

// sharedDomain is what the plants replicate from each other; hq replicates everything.
const sharedDomain = "quality"

// copyAt is one site's copy of a stream.
type copyAt struct {
	site   plantmesh.SiteID
	stream plantmesh.StreamName
}

// checkReplicas demands every replica that the subscriptions ask for: verified against its origin by its node, up to the
// origin's head. hq's are also compared event by event.
func (r *Report) checkReplicas(e *evidence) {
	heads := r.verifiedHeads(e)
	for stream, events := range e.origin {
		for _, site := range followersOf(stream) {
			switch head, ok := heads[copyAt{site, stream}]; {
			case !ok:
				r.problem("%s at %s: no replica was verified", stream, site)
			case head != uint64(len(events)):
				r.problem("%s at %s: the replica ends at %d, its origin at %d", stream, site, head, len(events))
			default:
				r.ReplicasVerified++
			}
		}
		there := e.atHQ[stream]
		r.Replicated += uint64(len(there))
		if len(there) < len(events) {
			r.Lost += uint64(len(events) - len(there))
		}
		for i := range min(len(there), len(events)) {
			switch {
			case there[i].GetOffset() != events[i].GetOffset() || there[i].GetEvent().GetId() != events[i].GetEvent().GetId():
				r.OutOfOrder++
			case !proto.Equal(there[i], events[i]):
				r.problem("%s@%d is not the same at hq and at its origin", stream, events[i].GetOffset())
			}
		}
	}
	if r.Replicated != r.Recorded {
		r.problem("%d events recorded, %d at hq", r.Recorded, r.Replicated)
	}
}

// verifiedHeads takes in what the nodes' own verification found. It returns the heads of the replicas.
func (r *Report) verifiedHeads(e *evidence) map[copyAt]uint64 {
	heads := map[copyAt]uint64{}
	for _, v := range e.verified {
		stream := plantmesh.StreamName(v.result.GetStream())
		if v.result.GetResult() != adminv1.VerifyResult_VERIFY_RESULT_VERIFIED {
			r.problem("%s at %s: %s: %s", stream, v.site, v.result.GetResult(), v.result.GetDetail())
			continue
		}
		r.StreamsVerified++
		if !v.result.GetReplica() {
			continue
		}
		heads[copyAt{v.site, stream}] = v.result.GetHeadOffset()
		if _, ok := e.origin[stream]; !ok {
			r.problem("%s holds a replica of %s, which its origin does not have", v.site, stream)
		}
	}
	return heads
}

// followersOf are the sites that must hold a replica of a plant's stream.
func followersOf(stream plantmesh.StreamName) []plantmesh.SiteID {
	sites := []plantmesh.SiteID{siteHQ}
	if stream.Domain() != sharedDomain {
		return sites
	}
	for _, plant := range plants {
		if plant != stream.Origin() {
			sites = append(sites, plant)
		}
	}
	return sites
}
