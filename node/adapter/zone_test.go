package adapter

import (
	"testing"
	"time"
)

// Israel put its clocks forward on 2012-03-30 at 02:00, and back on 2012-09-23 at 02:00.
func TestLocalTimesNeverRunBackwardsAtAClockChange(t *testing.T) {
	zone, err := time.LoadLocation("Asia/Jerusalem")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ wall, utc string }{
		{"2012-03-30 01:59", "2012-03-29T23:59:00Z"},
		{"2012-03-30 02:00", "2012-03-30T00:00:00Z"}, // skipped: the moment of the change
		{"2012-03-30 02:30", "2012-03-30T00:00:00Z"},
		{"2012-03-30 03:00", "2012-03-30T00:00:00Z"},
		{"2012-03-30 03:01", "2012-03-30T00:01:00Z"},
		{"2012-09-23 00:59", "2012-09-22T21:59:00Z"},
		{"2012-09-23 01:30", "2012-09-22T22:30:00Z"}, // shown twice: the first
		{"2012-09-23 02:00", "2012-09-23T00:00:00Z"},
	} {
		got, err := parseLocal(c.wall, "2006-01-02 15:04", zone)
		if err != nil {
			t.Fatal(err)
		}
		if s := got.UTC().Format(time.RFC3339); s != c.utc {
			t.Errorf("%s is %s, want %s", c.wall, s, c.utc)
		}
	}
	var last time.Time
	for wall := time.Date(2012, 3, 29, 0, 0, 0, 0, time.UTC); wall.Before(time.Date(2012, 9, 25, 0, 0, 0, 0, time.UTC)); wall = wall.Add(7 * time.Minute) {
		got, err := parseLocal(wall.Format("2006-01-02 15:04"), "2006-01-02 15:04", zone)
		if err != nil || got.Before(last) {
			t.Fatalf("%s is %s, after %s: %v", wall, got, last, err)
		}
		last = got
	}
}

func TestDecimalsAreExact(t *testing.T) {
	for _, c := range []struct{ text, separator, want string }{
		{"5", ".", "5"}, {"007", ".", "7"}, {" 0.250 ", ".", "0.25"}, {".5", ".", "0.5"}, {"3.", ".", "3"}, {"0", ".", "0"},
		{"12,5", ",", "12.5"}, {"123456789012345678.123456789", ".", "123456789012345678.123456789"},
	} {
		if got, err := decimal(c.text, c.separator); err != nil || got != c.want {
			t.Errorf("%q is %q, %v; want %q", c.text, got, err, c.want)
		}
	}
	for _, text := range []string{"", ".", "-1", "1e3", "1,5", "1.2.3", "five"} {
		if got, err := decimal(text, "."); err == nil {
			t.Errorf("%q is taken as %q", text, got)
		}
	}
}
