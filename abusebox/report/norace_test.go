//go:build !race

package report

// rowsOfLongTable is a million, as the largest feeds have.
const rowsOfLongTable = 1_000_000
