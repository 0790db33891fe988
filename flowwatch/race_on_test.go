//go:build race

package flowwatch_test

// underRace tells that the race detector slows everything down tenfold.
const underRace = true
