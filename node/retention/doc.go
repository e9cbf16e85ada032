// Package retention removes what streams do not have to keep any more, by age and by size, and never what a site that
// follows a stream, or a consumer here, has not got yet, unless it is told otherwise.
package retention
