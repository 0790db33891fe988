package trace

import "spoor/internal/message"

func (r *Result) clues(c *facts)               {}
func (r *Result) bodyClues(m *message.Message) {}
