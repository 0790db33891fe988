package report

import (
	"encoding/xml"
	"strings"
)

// maxXMLDepth, maxXMLNodes and maxXMLText bound what a document may become.
const (
	maxXMLDepth = 24
	maxXMLNodes = 200_000
	maxXMLText  = 4096
)

// xmlTree reads a document into objects as JSON has them: attributes and
// elements are members, repeated elements are lists. It is nil where the
// document is not well-formed or too large.
func xmlTree(text string) map[string]any {
	dec := xml.NewDecoder(strings.NewReader(text))
	dec.Strict = false
	stack := []xmlNode{{members: map[string]any{}}}
	for nodes := 0; ; {
		t, err := dec.RawToken()
		if err != nil {
			break
		}
		top := &stack[len(stack)-1]
		switch t := t.(type) {
		case xml.StartElement:
			if nodes++; nodes > maxXMLNodes || len(stack) > maxXMLDepth {
				return nil
			}
			n := xmlNode{name: t.Name.Local, members: map[string]any{}}
			for _, a := range t.Attr {
				n.members[a.Name.Local] = a.Value
			}
			stack = append(stack, n)
		case xml.CharData:
			if len(top.text) < maxXMLText { // more is no value of a member
				top.text += limitText(string(t), maxXMLText)
			}
		case xml.EndElement:
			if len(stack) > 1 {
				stack = stack[:len(stack)-1]
				stack[len(stack)-1].add(top.name, top.value())
			}
		}
	}
	return stack[0].members
}

// An xmlNode is an element being read.
type xmlNode struct {
	name    string
	members map[string]any
	text    string
}

// value is the node's text where it has no members, else its members.
func (n *xmlNode) value() any {
	text := strings.TrimSpace(n.text)
	if len(n.members) == 0 {
		return text
	}
	if text != "" {
		n.members[n.name] = text
	}
	return n.members
}

func (n *xmlNode) add(name string, v any) {
	switch old := n.members[name].(type) {
	case nil:
		n.members[name] = v
	case []any:
		n.members[name] = append(old, v)
	default:
		n.members[name] = []any{old, v}
	}
}
