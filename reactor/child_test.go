package reactor

const childMode = "REACTOR_TEST_CHILD"

func runChild(string) int { return 2 }
