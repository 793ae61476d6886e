"""The only way out: calls to addresses outside, under the rules of rules.md 4. A close never comes here."""
