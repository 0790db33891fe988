package trace

import (
	"fmt"
	"strings"
)

// zoneOffsets returns every offset, in minutes east of UTC, that some real zone
// of that name has or had, or nil for a name of no zone. Source: the tz database
// and RFC 5322 §4.3.
func zoneOffsets(name string) []int {
	if len(name) < 1 || len(name) > 5 {
		return nil
	}
	var up [5]byte
	for i := 0; i < len(name); i++ {
		c := name[i]
		if c >= 'a' && c <= 'z' {
			c -= 'a' - 'A'
		}
		up[i] = c
	}
	return zones[string(up[:len(name)])]
}

// zones maps each name to its offsets. Where a zone is named alike with and
// without summer time, as MET, EST in Australia or CET in careless software, both are here.
var zones = map[string][]int{
	"UTC": {0}, "UT": {0}, "GMT": {0}, "Z": {0}, "WET": {0, 60}, "WEST": {60}, "BST": {60, 360}, "IST": {60, 120, 330},
	"CET": {60}, "CEST": {120}, "MET": {60, 120}, "MEST": {120}, "MESZ": {120}, "MEZ": {60}, "MEWT": {60}, "SWT": {60}, "DST": {60, 120}, "FWT": {60}, "NFT": {690, 660},
	"EET": {120}, "EEST": {180}, "SAST": {120}, "CAT": {120}, "WAT": {60}, "EAT": {180}, "IDT": {180},
	"MSK": {180, 240}, "MSD": {240}, "SAMT": {240}, "TRT": {180}, "IRST": {210}, "IRDT": {270}, "GST": {240, 600},
	"AZT": {240}, "PKT": {300}, "PKST": {360}, "UZT": {300}, "YEKT": {300, 360}, "YEKST": {360}, "OMST": {360, 420}, "NOVT": {360, 420}, "KRAT": {420, 480},
	"NPT": {345}, "ICT": {420}, "WIB": {420}, "WITA": {480}, "WIT": {540}, "MMT": {390}, "IRKT": {480, 540},
	"CST": {-360, 480, 570, 630, -300}, "HKT": {480}, "SGT": {480}, "MYT": {480}, "PHT": {480}, "PST": {-480, 480}, "WST": {480, 780, 840, 540}, "AWST": {480}, "CCT": {480},
	"JST": {540}, "KST": {540, 510}, "YAKT": {540, 600}, "ACST": {570}, "ACDT": {630}, "AEST": {600}, "AEDT": {660}, "VLAT": {600, 660}, "MAGT": {660, 720},
	"EST": {-300, 600, 660}, "EDT": {-240, 660}, "CDT": {-300, 540, 630, -240}, "MST": {-420, 390, 480}, "MDT": {-360}, "PDT": {-420},
	"NZST": {720}, "NZDT": {780}, "NZT": {720, 780}, "FJT": {720}, "AKST": {-540}, "AKDT": {-480}, "HST": {-600}, "HDT": {-540},
	"AST": {-240, 180}, "ADT": {-180, 240}, "NST": {-210}, "NDT": {-150}, "BRT": {-180}, "BRST": {-120}, "ART": {-180, -120}, "CLT": {-240, -180}, "CLST": {-180},
	"UYT": {-180}, "UYST": {-120}, "PYT": {-240, -180}, "PYST": {-180}, "BOT": {-240}, "PET": {-300}, "COT": {-300}, "ECT": {-300}, "VET": {-240, -270}, "GFT": {-180}, "SST": {-660},
	"AZOT": {-60}, "CVT": {-60}, "WIST": {420},
}

// obsoleteZone returns what RFC 5322 §4.3 makes of a North American name that
// other zones bear too.
func obsoleteZone(name string) (int, bool) {
	switch {
	case equalFold(name, "gmt"):
		return 0, true
	case equalFold(name, "est"):
		return -300, true
	case equalFold(name, "edt"):
		return -240, true
	case equalFold(name, "cst"):
		return -360, true
	case equalFold(name, "cdt"):
		return -300, true
	case equalFold(name, "mst"):
		return -420, true
	case equalFold(name, "mdt"):
		return -360, true
	case equalFold(name, "pst"):
		return -480, true
	case equalFold(name, "pdt"):
		return -420, true
	}
	return 0, false
}

// contradicts tells whether name is a zone's, and none of its zones has the
// offset, which is in seconds.
func contradicts(name string, offset int) bool {
	switch name { // the pairs that are met most need no look-up
	case "UTC", "GMT":
		if offset == 0 {
			return false
		}
	case "CEST":
		if offset == 7200 {
			return false
		}
	case "CET":
		if offset == 3600 {
			return false
		}
	case "EDT":
		if offset == -14400 {
			return false
		}
	case "EST":
		if offset == -18000 {
			return false
		}
	case "JST":
		if offset == 32400 {
			return false
		}
	case "PDT":
		if offset == -25200 {
			return false
		}
	case "PST":
		if offset == -28800 {
			return false
		}
	case "CST":
		if offset == 28800 {
			return false
		}
	}
	if len(name) > 3 && (hasFoldPrefix(name, "gmt") || hasFoldPrefix(name, "utc")) && (name[3] == '+' || name[3] == '-') {
		r := dateReader{s: name[3:]}
		if _, ok := r.offset(0); ok {
			return r.d.Offset != offset && r.d.Offset != -offset // POSIX counts westwards: TZ=GMT-8 is +0800
		}
		return false
	}
	z := zoneOffsets(name)
	if z == nil {
		return false
	}
	for _, m := range z {
		if m*60 == offset {
			return false
		}
	}
	return true
}

// Zones returns the offsets that an ambiguous zone name allows, such as
// "+0530"; nil where the zone is known or nothing is.
func (d Date) Zones() []string {
	if d.HasZone || d.ZoneName == "" {
		return nil
	}
	var out []string
	for _, m := range zoneOffsets(d.ZoneName) {
		out = append(out, offsetText(m*60))
	}
	return out
}

// offsetText writes an offset in seconds as RFC 5322 does.
func offsetText(sec int) string {
	sign := "+"
	if sec < 0 {
		sign, sec = "-", -sec
	}
	return fmt.Sprintf("%s%02d%02d", sign, sec/3600, sec/60%60)
}

// zoneOffsetsText lists the offsets of a zone name for a person.
func zoneOffsetsText(name string) string {
	var out []string
	for _, m := range zoneOffsets(name) {
		out = append(out, offsetText(m*60))
	}
	return strings.Join(out, " or ")
}
