package awsauth

import "fmt"

// What these types hold in fields that are not exported, fmt would print without asking
// the fields' own types.

// Format implements fmt.Formatter: no verb shows a secret.
func (s *Source) Format(f fmt.State, _ rune) { name(f, "Source") }

// Format implements fmt.Formatter: no verb shows a secret.
func (p *Tokens) Format(f fmt.State, _ rune) { name(f, "Tokens") }

// Format implements fmt.Formatter: no verb shows a secret.
func (c *Cache[K, V]) Format(f fmt.State, _ rune) { name(f, "Cache") }

// Format implements fmt.Formatter: no verb shows a secret.
func (k *keeper) Format(f fmt.State, _ rune) { name(f, "credentials") }

func name(f fmt.State, of string) { _, _ = f.Write([]byte("awsauth." + of)) }
