package token

import "strconv"

// MaxDepth is how deeply expressions and queries may nest; max_stack_depth and thread_stack bound it in the real servers.
const MaxDepth = 200

// Cursor reads tokens front to back. What does not find what it expects calls Fail.
type Cursor struct {
	Tokens   []Token         // the last one has kind End
	At       int             // which one is next; what goes back sets it
	Reserved map[string]bool // the words that are no identifier without quotes
	Fail     func()          // reports a syntax error at the next token, by a panic
	TooDeep  func()          // reports too deep a nesting, by a panic

	depth int
}

// Peek is the next token.
func (c *Cursor) Peek() Token { return c.Tokens[c.At] }

// PeekAt is the token n after the next one, the last one if there are not so many.
func (c *Cursor) PeekAt(n int) Token { return c.Tokens[min(c.At+n, len(c.Tokens)-1)] }

// Next takes the next token, unless it is the end.
func (c *Cursor) Next() Token {
	t := c.Tokens[c.At]
	if t.Kind != End {
		c.At++
	}
	return t
}

// Enter is called by everything recursive; use as defer c.Enter()().
func (c *Cursor) Enter() func() {
	c.depth++
	if c.depth > MaxDepth {
		c.TooDeep()
	}
	return func() { c.depth-- }
}

// Word takes the keywords if they come next, all of them or none.
func (c *Cursor) Word(keywords ...string) bool {
	for i, k := range keywords {
		if !c.PeekAt(i).Is(k) {
			return false
		}
	}
	c.At += len(keywords)
	return true
}

// AnyWord takes one of the keywords and says which; empty: none of them comes next.
func (c *Cursor) AnyWord(keywords ...string) string {
	for _, k := range keywords {
		if c.Word(k) {
			return k
		}
	}
	return ""
}

// ExpectWord takes all of the keywords.
func (c *Cursor) ExpectWord(keywords ...string) {
	for _, k := range keywords {
		if !c.Word(k) {
			c.Fail()
		}
	}
}

// Op takes an operator or punctuation if it comes next.
func (c *Cursor) Op(op string) bool {
	if c.Peek().IsOp(op) {
		c.At++
		return true
	}
	return false
}

// Expect takes an operator or punctuation.
func (c *Cursor) Expect(op string) {
	if !c.Op(op) {
		c.Fail()
	}
}

// IsName reports whether an identifier comes next.
func (c *Cursor) IsName() bool {
	t := c.Peek()
	return t.Kind == Quoted || t.Kind == Word && !c.Reserved[t.Lower]
}

// Name takes an identifier.
func (c *Cursor) Name() string {
	if !c.IsName() {
		c.Fail()
	}
	return c.Next().Text
}

// Label takes an identifier where every keyword is one too, such as after a dot.
func (c *Cursor) Label() string {
	if k := c.Peek().Kind; k != Quoted && k != Word {
		c.Fail()
	}
	return c.Next().Text
}

// Path takes the next token, whatever it is, and what labels follow it after dots; at most so many parts.
func (c *Cursor) Path(most int) []string {
	parts := []string{c.Next().Text}
	for len(parts) < most && c.Op(".") {
		parts = append(parts, c.Label())
	}
	return parts
}

// Names takes (a, b, …).
func (c *Cursor) Names() []string {
	c.Expect("(")
	list := []string{c.Name()}
	for c.Op(",") {
		list = append(list, c.Name())
	}
	c.Expect(")")
	return list
}

// Integer takes an integer literal.
func (c *Cursor) Integer() int {
	t := c.Peek()
	n, err := strconv.Atoi(t.Text)
	if t.Kind != Number || err != nil {
		c.Fail()
	}
	c.Next()
	return n
}

// Skip moves to the end of the statement.
func (c *Cursor) Skip() {
	for k := c.Peek().Kind; k != End && k != Broken && !c.Peek().IsOp(";"); k = c.Peek().Kind {
		c.Next()
	}
}
