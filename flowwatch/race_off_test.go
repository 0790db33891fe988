//go:build !race

package flowwatch_test

const underRace = false
