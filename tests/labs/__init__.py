"""Right and wrong solutions of the labs' tasks. They are for the tests alone: no wheel and no page has them."""
