package results

// Exit codes of a run. Usage and infrastructure have one between them: there is nothing to be told of a run that was not.
const (
	ExitOK      = 0  // measured, valid, and all assertions hold
	ExitError   = 1  // it was asked for wrongly, or could not be done
	ExitInvalid = 2  // it was done, and may not be believed: interrupted, limited by the sender, contaminated, or nothing was measured
	ExitFailed  = 99 // an assertion does not hold; k6 has the same code for it
)

// Exit returns the exit code of a run. A run that may not be believed is that first: an assertion that fails on it may fail
// for the same reason.
func Exit(r Results) int {
	forecast := r.Forecast != nil && len(r.Forecast.Levels) > 0
	if r.Run.Interrupted != "" || len(r.Cells) == 0 && !forecast {
		return ExitInvalid
	}
	for _, c := range r.Cells {
		if c.Validity != Valid && c.Validity != TargetLimited { // what something else has limited is true, too
			return ExitInvalid
		}
	}
	for _, a := range r.Assertions {
		if !a.OK {
			return ExitFailed
		}
	}
	return ExitOK
}
