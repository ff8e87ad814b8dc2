package arvo

import "slices"

// A domain takes an event off the ordinary way: a host routes events with a domain elsewhere, to a person for instance.
// Where an author names domains, these symbols stand for one that is looked up when the event is made. Any other text is
// the domain itself.
const (
	DomainLocal                = ""                             // none
	DomainFromSelfContract     = "domain.contract.self.inherit" // the domain of the handler's own contract
	DomainFromEventContract    = "domain.contract.inherit"      // that of the contract of the event that is made
	DomainFromTriggeringEvent  = "domain.event.inherit"         // that of the event that is handled
	DomainFromCurrentSubject   = "domain.event.current.subject" // that of its subject
	DomainFromParentSubject    = "domain.parent.subject"        // that of the parent process's subject
	DomainOrchestrationContext = "domain.orchestration.context" // leads back to where the process lives; see DomainContext
)

// A DomainContext is what the symbols are looked up in. A subject that is not an orchestration subject has no domain.
//
// DomainOrchestrationContext is, with a parent process, the parent's domain unless the current subject is in it already;
// without one it is the current subject's domain, unless the event came from there already or is local.
type DomainContext struct {
	SelfContract    *Contract // nil: no domain
	EventContract   *Contract // nil: no domain
	TriggeringEvent Event     // its domain and its subject
	ParentSubject   string    // "": none
}

// Resolve is the domain that a symbol or a domain stands for.
func (c DomainContext) Resolve(domain string) string { return c.lookUp(domain) }

func (c *DomainContext) lookUp(domain string) string {
	switch domain {
	case DomainFromSelfContract:
		if c.SelfContract != nil {
			return c.SelfContract.Domain()
		}
	case DomainFromEventContract:
		if c.EventContract != nil {
			return c.EventContract.Domain()
		}
	case DomainFromTriggeringEvent:
		return c.TriggeringEvent.Domain
	case DomainFromCurrentSubject:
		return subjectDomain(c.TriggeringEvent.Subject)
	case DomainFromParentSubject:
		return subjectDomain(c.ParentSubject)
	case DomainOrchestrationContext:
		if c.ParentSubject != "" {
			parent := subjectDomain(c.ParentSubject)
			if parent == subjectDomain(c.TriggeringEvent.Subject) {
				return DomainLocal
			}
			return parent
		}
		if c.TriggeringEvent.Domain == DomainLocal {
			return DomainLocal // before the subject is taken apart: this is every event of a system without domains
		}
		if current := subjectDomain(c.TriggeringEvent.Subject); current != c.TriggeringEvent.Domain {
			return current
		}
	default:
		return domain
	}
	return DomainLocal
}

// resolve appends the distinct domains that a list of symbols and domains stands for.
func (c *DomainContext) resolve(resolved []string, domains []string) []string {
	for _, domain := range domains {
		if domain = c.lookUp(domain); !slices.Contains(resolved, domain) {
			resolved = append(resolved, domain)
		}
	}
	return resolved
}

func subjectDomain(subject string) string {
	if subject == "" {
		return DomainLocal
	}
	s, err := ParseSubject(subject)
	if err != nil {
		return DomainLocal // any text may be a subject
	}
	return s.Execution.Domain
}
