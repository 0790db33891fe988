package trace

func (r *Result) findings(c *facts) {}
