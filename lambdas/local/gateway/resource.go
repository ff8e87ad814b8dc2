package gateway

import (
	"crypto/sha256"
	"fmt"
	"math/big"
	"net/url"
	"regexp"
	"strings"
)

// A resource is a node of the API's tree of paths.
type resource struct {
	id       string
	path     string               // /subjects/{subject}
	static   map[string]*resource // by the decoded path segment
	variable *resource            // {name} or {name+}
	name     string               // of this resource's own variable
	greedy   bool                 // {name+}
	methods  map[string]string    // method or ANY -> function
}

var (
	methods      = regexp.MustCompile(`^(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|ANY)$`)
	variablePart = regexp.MustCompile(`^\{([a-zA-Z0-9._:-]+)(\+?)\}$`)
	staticPart   = regexp.MustCompile(`^[a-zA-Z0-9._:,@$~!&'*+;=-]+$`)
)

// newResources builds the tree.
func newResources(routes []Route) (*resource, error) {
	root := newResource("/")
	for _, route := range routes {
		where := "route " + route.Method + " " + route.Path
		if !methods.MatchString(route.Method) {
			return nil, fmt.Errorf("%s: the method is none of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, ANY", where)
		}
		if route.Function == "" {
			return nil, fmt.Errorf("%s: the function is missing", where)
		}
		if !strings.HasPrefix(route.Path, "/") {
			return nil, fmt.Errorf("%s: the path does not begin with a slash", where)
		}
		node := root
		if rest := strings.Trim(route.Path, "/"); rest != "" {
			for _, part := range strings.Split(rest, "/") {
				if node.greedy {
					return nil, fmt.Errorf("%s: nothing may follow {%s+}", where, node.name)
				}
				child, err := node.child(part)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", where, err)
				}
				node = child
			}
		}
		if _, ok := node.methods[route.Method]; ok {
			return nil, fmt.Errorf("%s is there twice", where)
		}
		node.methods[route.Method] = route.Function
	}
	return root, nil
}

func newResource(path string) *resource {
	// Ids are six characters of base 36 on AWS; here they follow from the path, so that they stay the same.
	sum := sha256.Sum256([]byte(path))
	id := new(big.Int).SetBytes(sum[:8]).Text(36)
	return &resource{id: id[:6], path: path, static: map[string]*resource{}, methods: map[string]string{}}
}

// child finds or makes the resource under r for one part of a route's path.
func (r *resource) child(part string) (*resource, error) {
	path := strings.TrimSuffix(r.path, "/") + "/" + part
	if m := variablePart.FindStringSubmatch(part); m != nil {
		if r.variable == nil {
			r.variable = newResource(path)
			r.variable.name, r.variable.greedy = m[1], m[2] != ""
		}
		if r.variable.path != path {
			return nil, fmt.Errorf("%s beside it has a variable of another name: only one is allowed", r.variable.path)
		}
		return r.variable, nil
	}
	if !staticPart.MatchString(part) {
		return nil, fmt.Errorf("the part %q is neither plain nor {name} nor {name+}", part)
	}
	child, ok := r.static[part]
	if !ok {
		child = newResource(path)
		r.static[part] = child
	}
	return child, nil
}

// A match is what a request came to.
type match struct {
	resource   *resource
	function   string
	path       string            // without the stage, percent-encoded
	asked      string            // as the client wrote it, which is requestContext.path
	parameters map[string]string // percent-encoded; nil when the resource has none
}

// match finds the function for a method and a percent-encoded path, with or without the stage in front. A resource that
// is called like the stage can only be reached with the stage in front, else /{proxy+} would take the stage for its own.
func (r *resource) match(method, path, stage string) (match, bool) {
	asked := path
	if rest, ok := strings.CutPrefix(path, "/"+stage); ok && (rest == "" || rest[0] == '/') {
		path = rest
		if path == "" {
			path = "/"
		}
	}
	m, ok := r.find(method, path)
	m.asked = asked
	return m, ok
}

func (r *resource) find(method, path string) (match, bool) {
	if !strings.HasPrefix(path, "/") {
		return match{}, false
	}
	var parts []string
	if inner := path[1:]; inner != "" {
		parts = strings.Split(strings.TrimSuffix(inner, "/"), "/")
	}
	m := match{path: path}
	node := r.walk(parts, &m)
	if node == nil {
		return match{}, false
	}
	function, ok := node.methods[method]
	if !ok {
		function, ok = node.methods["ANY"]
	}
	m.resource, m.function = node, function
	return m, ok
}

// walk goes down the tree: a static part wins over a variable, and both over a greedy one, with no way back, as on AWS.
func (r *resource) walk(parts []string, m *match) *resource {
	node := r
	for i, part := range parts {
		if part == "" {
			return nil
		}
		plain, err := url.PathUnescape(part)
		if err != nil {
			return nil
		}
		if child, ok := node.static[plain]; ok {
			node = child
			continue
		}
		if node = node.variable; node == nil {
			return nil
		}
		if m.parameters == nil {
			m.parameters = map[string]string{}
		}
		if node.greedy {
			m.parameters[node.name] = strings.Join(parts[i:], "/")
			return node
		}
		m.parameters[node.name] = part
	}
	return node
}
