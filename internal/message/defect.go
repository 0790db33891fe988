package message

// A DefectCode names one way in which a mail departs from its standards.
type DefectCode string

const (
	DefectFromLine      DefectCode = "from-line"         // a From_ or >From_ line stood before or among the fields
	DefectLeadingBlank  DefectCode = "leading-blank"     // blank lines before the header
	DefectNoColon       DefectCode = "no-colon"          // a header line without a colon
	DefectFieldName     DefectCode = "field-name"        // a field name with spaces, control or 8-bit bytes
	DefectBareCR        DefectCode = "bare-cr"           // CR that ends no line
	DefectNUL           DefectCode = "nul"               // NUL in the header
	DefectHeaderLimit   DefectCode = "header-limit"      // the header passed a limit, its rest is left out
	DefectBytesLimit    DefectCode = "bytes-limit"       // the mail passed MaxBytes, its rest is left out
	DefectDepthLimit    DefectCode = "depth-limit"       // parts nested deeper than MaxDepth are left closed
	DefectPartsLimit    DefectCode = "parts-limit"       // parts past MaxParts are left out
	DefectNoBoundary    DefectCode = "no-boundary"       // a multipart without a boundary that occurs in it
	DefectUnclosed      DefectCode = "unclosed"          // a multipart without its closing line
	DefectEncoding      DefectCode = "transfer-encoding" // unknown or broken transfer encoding
	DefectCharset       DefectCode = "charset"           // unknown or wrong charset
	DefectNoHeader      DefectCode = "no-header"         // the mail has no field at all
	DefectMisnamedEmail DefectCode = "misnamed-message"  // a mail attached under another media type
)

// A Defect is one departure from the standards that reading a mail got over.
type Defect struct {
	Code   DefectCode
	Detail string
}

// maxDefects bounds what one mail can make us remember.
const maxDefects = 64

type defects []Defect

func (d *defects) add(code DefectCode, detail string) {
	if len(*d) >= maxDefects {
		return
	}
	for _, have := range *d {
		if have.Code == code {
			return
		}
	}
	if len(detail) > 120 {
		detail = detail[:120]
	}
	*d = append(*d, Defect{Code: code, Detail: detail})
}
