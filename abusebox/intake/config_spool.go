package intake

import "spoor/internal/unit"

// A SpoolConfig is what the section [store] says about the spool.
type SpoolConfig struct {
	Dir         string        `toml:"-"`            // the store's folder; the spool is the folder "spool" in it
	MinFree     unit.Size     `toml:"-"`            // below so much free disk, mail is answered 452
	SegmentSize unit.Size     `toml:"segment_size"` // a new segment of the spool is begun after so many bytes
	KeepMail    unit.Duration `toml:"keep_mail"`    // whole segments of done mail older than this are deleted
}

// DefaultSpoolConfig is the spool's defaults.
func DefaultSpoolConfig() SpoolConfig {
	return SpoolConfig{Dir: "/var/lib/spoor", MinFree: 1 << 30, SegmentSize: 64 << 20, KeepMail: 90 * day}
}

const day = unit.Duration(24 * 60 * 60 * 1e9)

// Validate reports every mistake of the keys segment_size and keep_mail.
func (c SpoolConfig) Validate(bad func(key, problem, write string)) {
	if c.SegmentSize < 1<<20 || c.SegmentSize > 16<<30 {
		bad("segment_size", c.SegmentSize.String()+" is not between 1MB and 16GB", `segment_size = "64MB"`)
	}
	if c.KeepMail < 8*day {
		bad("keep_mail", c.KeepMail.String()+" is shorter than the 8 days in which a sender's repeat is recognised", `keep_mail = "90d"`)
	}
}
