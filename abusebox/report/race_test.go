//go:build race

package report

// rowsOfLongTable is less under the race detector, which is ten times slower.
const rowsOfLongTable = 50_000
