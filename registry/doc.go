// Package registry answers who is responsible for an address at a time: it joins the
// routes that routers hold, the contacts that the operator keeps, and the logs that say
// who had a dynamic or shared address, and it gives the reasons for each answer.
//
// A [Table] is one immutable view: build it with [Build], ask it with [Table.Holder].
// A [Registry] keeps a Table current: it reads files, polls routers and swaps views
// without stopping readers.
package registry
